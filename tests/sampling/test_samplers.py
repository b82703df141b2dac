"""What config.sample may say, what comes of it, and what it is told where it may not."""

import jax
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models import build
from ddpm_jax.sampling import checks, rollout, samplers
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network")


ODE = {"sample__sampler": "ode"}
LISTED = {"sample__spacing": "explicit"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sample__num_steps": 11},
            r"sample.num_steps = 11 is more than config.schedule.num_steps = 10",
        ),
        ({"sample__sampler": "dpm_solvr"}, r"Did you mean 'dpm_solver'"),
        ({"sample__spacing": "karas"}, r"Did you mean 'karras'"),
        ({"sample__threshold": "statc"}, r"Did you mean 'static'"),
        ({"sample__end": "denoised"}, r"Did you mean 'denoise'"),
        ({"sample__format": "pgn"}, r"Did you mean 'png'"),
        ({"sample__ancestral__variance": "analytc"}, r"Did you mean 'analytic'"),
        ({"sample__dpm_solver__method": "singlestep"}, r"Did you mean 'single_step'"),
        ({"sample__ode__solver": "tsit"}, r"Did you mean 'tsit5'"),
        ({"sample__film__animation": "gf"}, r"Did you mean 'gif'"),
        ({"sample__film__animation": "gif"}, r"write config.sample.film.num_frames"),
        ({"sample__shard_size": 0}, r"sample.shard_size = 0: write 1 or more"),
        (
            {"sample__sampler": "ddim", "sample__ddim__eta": 1.5},
            r"config.sample.ddim.eta = 1.5 is not in \[0, 1\]",
        ),
        (
            {"sample__sampler": "dpm_solver", "sample__dpm_solver__order": 4},
            r"config.sample.dpm_solver.order = 4: write 1, 2 or 3",
        ),
        (
            {
                "sample__sampler": "dpm_solver",
                "sample__dpm_solver__method": "single_step",
                "sample__dpm_solver__order": 1,
            },
            r"config.sample.dpm_solver.order = 1: a single step has order 2 or 3",
        ),
        (
            {
                "sample__sampler": "dpm_solver",
                "sample__dpm_solver__method": "single_step",
                "sample__dpm_solver__eta": 1.0,
            },
            r"config.sample.dpm_solver.eta = 1.0: a single step draws no noise",
        ),
        (
            {"sample__sampler": "unipc", "sample__unipc__order": 0},
            r"config.sample.unipc.order = 0",
        ),
        (
            {"sample__sampler": "heun", "sample__heun__churn__amount": -1.0},
            r"config.sample.heun.churn.amount = -1.0: write a number from 0 on",
        ),
        (
            {
                "sample__sampler": "euler",
                "sample__euler__churn__least": 2.0,
                "sample__euler__churn__most": 1.0,
            },
            r"config.sample.euler.churn.most = 1.0: write a number above"
            r" config.sample.euler.churn.least = 2.0",
        ),
        (
            {
                "sample__sampler": "predictor_corrector",
                "sample__predictor_corrector__snr": 0.0,
            },
            r"config.sample.predictor_corrector.snr = 0.0",
        ),
        ({**ODE, "sample__ode__rtol": 0.0}, r"config.sample.ode.rtol = 0.0: write"),
        ({**ODE, "prediction": "mean"}, r"'ode' needs a model between the latents"),
        (
            {**ODE, "sample__film__num_frames": 5},
            r"'ode' takes steps of its own, of which there is no film",
        ),
        (
            {"sample__spacing": "karras", "sample__karras__rho": 0.5},
            r"config.sample.karras.rho = 0.5: write a number from 1 to 1000",
        ),
        (
            {"sample__threshold": "dynamic", "sample__dynamic__quantile": 2.0},
            r"config.sample.dynamic.quantile = 2.0: write a number in \(0, 1\]",
        ),
        (
            LISTED,
            r"config.sample.explicit.times = \(\) do not decrease: .* from 9 down",
        ),
        (
            {**LISTED, "sample__explicit__times": (0, 4, 9)},
            r"times = \(0, 4, 9\) do not decrease",
        ),
        (
            {**LISTED, "sample__explicit__times": (10, 0)},
            r"times = \(10, 0\) are not all from 0 to 9",
        ),
        (
            {"sample__explicit__times": (9, 0)},
            r"are not used: write config.sample.spacing = 'explicit' too",
        ),
        (
            {**LISTED, "sample__explicit__times": (9, 1), "sample__end": "draw"},
            r"config.sample.end = 'draw' takes z_0 itself.* let them end with 0",
        ),
        ({"sample__contrast__samplers": "ddim,huen"}, r"Did you mean 'heun'"),
        (
            {
                "sample__contrast__samplers": "ddim, heun",
                "sample__contrast__num_steps": (5, 20),
            },
            r"config.sample.contrast, 'ddim' with 20 steps: .* is more than",
        ),
        (
            {"sample__contrast__samplers": "ode", "sample__contrast__num_steps": (-5,)},
            r"contrast.num_steps = \(-5,\): write numbers from 2 on",
        ),
        (
            {
                **LISTED,
                "sample__explicit__times": (9, 0),
                "sample__contrast__samplers": "ddim",
            },
            r"contrast goes through numbers of steps, which .* 'explicit' does not",
        ),
        (
            {"sample__film__seconds": float("nan")},
            r"film.seconds = nan: write a number above 0, at most 3600",
        ),
        (
            {"sample__contrast__samplers": "ddim", "sample__contrast__num_steps": ()},
            r"contrast.num_steps = \(\): write numbers of steps",
        ),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.config(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {**ODE, "sample__num_steps": 500},
        {**LISTED, "sample__explicit__times": (9, 1), "sample__num_steps": 500},
        {**LISTED, "sample__explicit__times": (9,)},
        {
            "sample__contrast__samplers": " ddim , ode",
            "sample__contrast__num_steps": (5,),
        },
        {"sample__film__num_frames": 5, "sample__film__animation": "webp"},
        # Options of a choice that was not made.
        {"sample__ddim__eta": 7.0, "sample__dpm_solver__order": 9},
    ],
)
def test_what_works_passes(changes):
    check_config(tiny.config(**changes))


def drawn(changes, variational=False, num=3, **options):
    c = (tiny.variational if variational else tiny.config)(**changes)
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    params = jax.jit(model.init)(jax.random.key(0))
    draw = rollout.make(c, model, **options)
    keys = jax.random.split(jax.random.key(1), num)
    end_keys = jax.random.split(jax.random.key(2), num)
    return jax.jit(lambda p: draw(model.bind(p), keys, end_keys, None))(params)


WAYS = {
    "ancestral": {"sample__sampler": "ancestral"},
    "ddim": {"sample__sampler": "ddim"},
    "2M": {"sample__sampler": "dpm_solver"},
    "3M-SDE": {
        "sample__sampler": "dpm_solver",
        "sample__dpm_solver__order": 3,
        "sample__dpm_solver__eta": 1.0,
    },
    "2S": {
        "sample__sampler": "dpm_solver",
        "sample__dpm_solver__method": "single_step",
    },
    "unipc": {"sample__sampler": "unipc"},
    "euler": {"sample__sampler": "euler", "sample__euler__churn__amount": 2.0},
    "heun": {"sample__sampler": "heun", "sample__heun__churn__amount": 2.0},
    "predictor_corrector": {"sample__sampler": "predictor_corrector"},
    "ode": {"sample__sampler": "ode", "sample__ode__rtol": 1e-3},
}


# Each sampler with two predictions and each prediction with four samplers; the flow of
# a chain has no "mean".
PAIRS = [
    (way, kind)
    for i, way in enumerate(WAYS)
    for kind in np.roll(["eps", "x", "v", "score", "mean"], i)[:2]
    if (way, kind) != ("ode", "mean")
]


@pytest.mark.parametrize(("way", "kind"), PAIRS)
def test_every_sampler_goes_with_every_prediction(way, kind):
    found = drawn({**WAYS[way], "prediction": str(kind), "reverse_variance": "learned"})
    assert found.pixels.shape == (3, 8, 8, 1) and found.pixels.dtype == np.uint8
    assert np.all(found.converged) and len(np.unique(found.pixels)) > 2
    if way != "ode":
        expected = samplers.num_evaluations(tiny.config(**WAYS[way]))
        np.testing.assert_array_equal(found.num_evaluations, expected)


@pytest.mark.parametrize(
    ("way", "num_steps", "spacing"),
    [
        (way, *((0, "karras"), (10, "quadratic"), (0, "log_snr"))[i % 3])
        for i, way in enumerate(WAYS)
    ],
)
def test_every_sampler_goes_with_learned_schedules(way, num_steps, spacing):
    changes = {"schedule__num_steps": num_steps, "sample__spacing": spacing}
    found = drawn({**WAYS[way], **changes}, variational=True)
    assert found.pixels.shape == (3, 8, 8, 1) and np.all(found.converged)


def test_ends_and_thresholds_and_variances_matter():
    ends = [{"sample__end": end} for end in ("denoise", "draw")]
    thresholds = [
        {"sample__threshold": "none"},
        {"sample__threshold": "dynamic", "sample__dynamic__quantile": 0.5},
    ]
    variances = [{"sample__ancestral__variance": "forward"}]
    all_pixels = [drawn(c).pixels for c in ends + thresholds + variances]
    assert len({pixels.tobytes() for pixels in all_pixels}) == len(all_pixels)
    # The config's own reverse variance is the posterior's; its decoder's mean is x_hat.
    for same in ({"sample__ancestral__variance": "posterior"}, {"sample__end": "mean"}):
        np.testing.assert_array_equal(drawn(same).pixels, drawn({}).pixels)


def test_a_variance_of_its_own_is_used():
    analytic = {"sample__ancestral__variance": "analytic"}
    of_posterior = ancestral.fixed_variance(0.0)
    found = drawn(analytic, log_variance=of_posterior).pixels
    np.testing.assert_array_equal(found, drawn({}).pixels)
    with pytest.raises(ConfigError, match="'analytic' is estimated from a checkpoint"):
        drawn(analytic)


@pytest.mark.parametrize(
    ("changes", "expected", "name"),
    [
        ({}, 4, "ancestral_4"),
        ({"sample__sampler": "unipc"}, 4, "unipc_4"),
        ({"sample__sampler": "heun"}, 7, "heun_4"),
        (
            {
                "sample__sampler": "predictor_corrector",
                "sample__predictor_corrector__num_corrections": 2,
            },
            10,
            "predictor_corrector_4",
        ),
        ({**LISTED, "sample__explicit__times": (9, 4, 0)}, 3, "ancestral_3"),
    ],
)
def test_evaluations_are_counted_and_samplers_named(changes, expected, name):
    c = tiny.config(**changes)
    assert samplers.num_evaluations(c) == expected
    assert samplers.name(c) == name


def test_an_ode_is_asked_as_often_as_each_sample_needs():
    found = {
        rtol: np.asarray(
            drawn(
                {**ODE, "sample__ode__rtol": rtol, "sample__ode__atol": rtol}, num=4
            ).num_evaluations
        )
        for rtol in (1e-2, 1e-6)
    }
    assert np.all(found[1e-2] < found[1e-6])
    # Six a step of order 5, one at the start and one at z_0.
    assert np.all(found[1e-6] % 6 == 2)
    assert samplers.name(tiny.config(**ODE)) == "ode_tsit5"


def test_a_contrast_has_a_config_for_each_cell():
    c = tiny.config(
        sample__contrast__samplers="ddim, heun,ode",
        sample__contrast__num_steps=(3, 8),
        sample__ddim__eta=0.5,
    )
    found = checks.contrasted(c)
    assert {name: list(of) for name, of in found.items()} == {
        "ddim": [3, 8],
        "heun": [3, 8],
        "ode": [8],
    }
    assert found["ddim"][3].sample.sampler == "ddim"
    assert found["ddim"][3].sample.num_steps == 3
    assert found["ddim"][3].sample.ddim.eta == 0.5
    assert c.sample.sampler == "ancestral"
    assert checks.contrasted(tiny.config()) == {}
