"""How samples come about: every sampler from noise to pixels, and from what is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models import build
from ddpm_jax.sampling import rollout, samplers, tasks
from tests import tiny
from tests.sampling import given
from tests.sampling.given import NUM_VALUES

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


ODE = {"sample__sampler": "ode"}


def drawn(changes, variational=False, num=3, **options):
    c = (tiny.variational if variational else tiny.config)(**changes)
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    params = jax.jit(model.init)(jax.random.key(0))
    draw = rollout.make(c, model, **options)
    keys = jax.random.split(jax.random.key(1), num)
    end_keys = jax.random.split(jax.random.key(2), num)
    return jax.jit(lambda p: draw(model.bind(p), keys, end_keys, None))(params)


VARIANTS = {
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
    (variant, prediction)
    for i, variant in enumerate(VARIANTS)
    for prediction in np.roll(["eps", "x", "v", "score", "mean"], i)[:2]
    if (variant, prediction) != ("ode", "mean")
]


@pytest.mark.long  # tests/sampling/test_combinations.py has pairs of all choices.
@pytest.mark.parametrize(("variant", "prediction"), PAIRS)
def test_every_sampler_goes_with_every_prediction(variant, prediction):
    found = drawn(
        {
            **VARIANTS[variant],
            "prediction": str(prediction),
            "reverse_variance": "learned",
        }
    )
    assert found.pixels.shape == (3, 8, 8, 1) and found.pixels.dtype == np.uint8
    assert np.all(found.converged) and len(np.unique(found.pixels)) > 2
    if variant != "ode":
        expected = samplers.num_evaluations(tiny.config(**VARIANTS[variant]))
        np.testing.assert_array_equal(found.num_evaluations, expected)


@pytest.mark.parametrize(
    ("variant", "num_steps", "spacing"),
    [
        (variant, *((0, "karras"), (10, "quadratic"), (0, "log_snr"))[i % 3])
        for i, variant in enumerate(VARIANTS)
    ],
)
def test_every_sampler_goes_with_learned_schedules(variant, num_steps, spacing):
    changes = {"schedule__num_steps": num_steps, "sample__spacing": spacing}
    found = drawn({**VARIANTS[variant], **changes}, variational=True)
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
    # The config's own is the posterior's.
    for fraction, same in (
        (0.0, {}),
        (1.0, {"sample__ancestral__variance": "forward"}),
    ):
        given = ancestral.fixed_variance(fraction)
        found = drawn(analytic, log_variance=given).pixels
        np.testing.assert_array_equal(found, drawn(same).pixels)
    with pytest.raises(ConfigError, match="'analytic' is estimated from a checkpoint"):
        drawn(analytic)


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


def of_normal_data(log_snr, calls):
    """The exact model of pixels that are independent and standard normal.

    x_hat = alpha z and eps_hat = sigma z, so that DDIM goes from t to s by a factor, the
    cosine of an angle.
    """

    def denoise(z_t, t):
        jax.debug.callback(lambda: calls.append(z_t.shape[0]))
        at = log_snr(t)[:, None, None, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(at)), jnp.sqrt(jax.nn.sigmoid(-at))
        return Prediction(
            x=alpha * z_t, eps=sigma * z_t, variance_fraction=jnp.zeros(())
        )

    return Diffusion(log_snr, denoise)


def test_an_interpolation_goes_along_the_arc_from_image_to_image(tmp_path):
    a, b, options = given.between(tmp_path, sample__interpolation__num_iterations=25)
    c = given.config(**options, sample__num_steps=10, sample__threshold="none")
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    draw = rollout.make(c, model, tasks.of(c, model.shape, NUM_VALUES))
    keys, calls = jax.random.split(jax.random.key(0), 6), []
    diffusion = of_normal_data(model.schedule.log_snr, calls)
    found = jax.jit(lambda: draw(diffusion, keys, keys, None, jnp.arange(6)))()
    jax.effects_barrier()

    x_a, x_b = (image.astype(np.float64) / 8.0 - 1.0 for image in (a, b))
    cosine = np.sum(x_a * x_b) / np.linalg.norm(x_a) / np.linalg.norm(x_b)
    angle = np.arccos(cosine)
    # At the least noise x_hat is alpha z, and z alpha times the image.
    squared = 1.0 / (1.0 + np.exp(-6.0))
    for j, share in enumerate([0.0, 0.25, 0.5, 0.75, 1.0, 1.0]):
        x = np.sin((1.0 - share) * angle) * x_a + np.sin(share * angle) * x_b
        want = np.clip(8.0 * (squared * x / np.sin(angle) + 1.0), 0.0, 16.0)
        # Half a value of rounding, and a little for that of 9 steps and back.
        np.testing.assert_allclose(found.pixels[j], want, atol=0.55)
    np.testing.assert_array_equal(found.pixels[0], a)
    np.testing.assert_array_equal(found.pixels[4], b)
    # Both images up, a sample down.
    up, down = calls.count(2), calls.count(6)
    assert len(calls) == up + down and down == 10
    np.testing.assert_array_equal(found.num_evaluations, 2 * up + down)
    assert up == 25 * 9 + 2
