"""The table of samplers."""

from ddpm_jax.core.choice import Choice, Table
from ddpm_jax.diffusion.likelihood.probability_flow import SolverOptions
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    predictor_corrector,
    unipc,
)
from ddpm_jax.diffusion.samplers.setting import SamplerOptions


class Ode(SolverOptions, SamplerOptions):
    """Options of the probability flow, solved to a tolerance for each sample."""

    @property
    def of_no_effect(self) -> tuple[str, ...]:
        # A higher limit changes no sample whose solution ends below it.
        return ("max_steps",)


# Each makes a `loop.Sampler` of its options and a `setting.Setting`. "own_steps": it chooses
# its own steps, and makes a `probability_flow.Solve`. "memoryless": it evaluates once at each
# time and has no memory, so that RePaint can noise a latent and denoise it again.
SAMPLERS: Table = {
    "ancestral": ancestral.CHOICE,
    "ddim": ddim.CHOICE,
    "dpm_solver": dpm_solver.CHOICE,
    "unipc": unipc.CHOICE,
    "euler": edm.EULER,
    "heun": edm.HEUN,
    "predictor_corrector": predictor_corrector.CHOICE,
    "ode": Choice(Ode, lambda o, setting: o.solve, frozenset({"own_steps"})),
}
