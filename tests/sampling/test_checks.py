"""What config.sample may not say, told before anything is drawn."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import checks
from tests import tiny

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sample__threshold": "static"},
            r"threshold = 'static' cuts .*decoder.name = 'gaussian' is of .*write 'none'",
        ),
        ({"sample__threshold": "dynamic"}, r"threshold = 'dynamic' cuts x_hat to"),
        ({"sample__format": "png"}, r"sample.format = 'png' holds pixel values, and"),
        (
            {
                "sample__task": "colorization",
                "sample__colorization__image": "a.png",
            },
            r"sample.task = 'colorization' is of image files, .*: write 'generate'",
        ),
        (
            {"eval__clip": True},
            r"eval.clip = True cuts x_hat .*'gaussian'.* write False",
        ),
        (
            {
                "eval__estimators": "ode",
                "eval__ode__dequantization": "truncated_normal",
            },
            r"config.eval.ode.dequantization = 'truncated_normal' spreads .* write one of"
            r" \['decoder', 'none'\]",
        ),
        ({"data__flip": True}, r"data.flip = True is of images, .*'gaussian'.* False"),
        ({"data__rotate": True}, r"data.rotate = True is of images"),
    ],
)
def test_what_is_of_pixel_values_is_refused_of_real_numbers(changes, message):
    check_config(tiny.points(eval__estimators="stratified,full,ode"))
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.points(**changes))
    assert "\n" not in str(error.value)


def test_what_is_of_real_numbers_is_refused_of_pixel_values():
    changes = {"eval__estimators": "ode", "eval__ode__dequantization": "none"}
    with pytest.raises(ConfigError, match=r"'none' is of real numbers, .*'uniform'"):
        check_config(tiny.config(**changes))


def test_a_contrast_has_a_config_for_each_cell():
    c = tiny.config(
        sample__contrast__samplers="ddim, heun,ode",
        sample__contrast__num_steps=(3, 8),
        sample__ddim__eta=0.5,
    )
    found = checks.contrast_configs(c)
    assert {name: list(of) for name, of in found.items()} == {
        "ddim": [3, 8],
        "heun": [3, 8],
        "ode": [8],
    }
    assert found["ddim"][3].sample.sampler == "ddim"
    assert found["ddim"][3].sample.num_steps == 3
    assert found["ddim"][3].sample.ddim.eta == 0.5
    assert c.sample.sampler == "ancestral"
    assert checks.contrast_configs(tiny.config()) == {}
