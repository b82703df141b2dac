"""The samplers there are, by name."""

from ddpm_jax.core.choice import Choice, Table
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    predictor_corrector,
    unipc,
)

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
    "ode": Choice(
        probability_flow.SolverOptions,
        lambda o, setting: o.solve,
        frozenset({"own_steps"}),
    ),
}
