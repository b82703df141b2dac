"""The samplers there are, by name."""

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
    """Options of the probability flow, each sample to a tolerance."""

    @property
    def of_no_effect(self) -> tuple[str, ...]:
        # More steps change no sample that arrives.
        return ("max_steps",)


# Each makes a `loop.Sampler` of its options and a `setting.Setting`; one that "own_steps" takes
# steps of its own makes a `probability_flow.Solve`. The trait "memoryless": it asks once a time
# and remembers nothing, so that RePaint can go back up and down again.
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
