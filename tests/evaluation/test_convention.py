"""What of a config a convention says: each field that a figure depends on, and no other."""

import dataclasses

import pytest

from ddpm_jax.evaluation import convention, likelihood
from ddpm_jax.models import build
from ddpm_jax.models.table import PIXEL_DECODERS
from tests import config_walk, tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")

# Told beside the weights' step; not that of a checkpoint that is asked for.
OF_WEIGHTS = {"eval.weights", "ema.decay"}
OF_MODEL = {"schedule.name", "schedule.num_steps"}
OF_DENOISER = OF_MODEL | {
    "prediction",
    "reverse_variance",
    "decoder.name",
    "decoder.mean",
    "model.class_conditional",
}
OF_FLOW = {
    f"eval.ode.{name}"
    for name in (
        *("dequantization", "num_importance", "num_draws", "divergence", "probe"),
        *("num_probes", "antithetic", "chunk", "solver", "rtol", "atol", "max_steps"),
    )
}
TOLD = {"model__class_conditional": True}


def that_matter(config, say, **written):
    """The fields of a config that change what is said."""
    first = say(config)
    return {
        name
        for name, changed in config_walk.others(config, **written)
        if say(changed) != first
    }


@pytest.fixture(scope="module")
def says():
    """Of an estimator's name, what says the convention of a config's figures by it."""
    base = tiny.config()
    source, mesh = build.source(base, "test"), tiny.one_device()
    model = build.model(base, source)

    def says(estimator):
        def say(c, step=3):
            decoder = PIXEL_DECODERS[c.decoder.name].default(17, c.decoder.mean)
            own = dataclasses.replace(model, pixel_decoder=decoder)
            evaluator = likelihood.make_evaluator(c, mesh, own, source, estimator)
            return evaluator.convention(step)

        return say

    return says


def test_the_bounds_is_of_the_model_its_weights_and_clipping(says):
    assert that_matter(tiny.config(), says("stratified")) == {
        *OF_DENOISER,
        *OF_WEIGHTS,
        "eval.clip",
        "eval.num_examples",
    }


def test_the_flows_is_of_its_options_and_of_no_clipping(says):
    # Probes that come in pairs are even.
    c = tiny.config(eval__ode__num_probes=2)
    assert that_matter(c, says("ode")) == {
        *OF_DENOISER,
        *OF_WEIGHTS,
        *OF_FLOW,
        "eval.num_examples",
    }


def test_a_model_that_knows_classes_is_told_them_or_not(says):
    c = tiny.config(**TOLD, eval__weights="raw")
    assert that_matter(c, says("stratified")) == {
        *(OF_DENOISER | {"eval.class_conditional", "eval.weights"}),
        "eval.clip",
        "eval.num_examples",
    }
    say, without = says("stratified"), tiny.config()
    told, untold = say(c), say(tiny.config(**TOLD, eval__class_conditional=False))
    assert told["class"] == "told" and "P(pixels | class)" in told["figure"]
    assert untold["class"] == "not told, of a model that may be"
    assert untold["figure"] == say(without)["figure"] and "class" not in say(without)


def test_its_words_are_a_reports(says):
    c = tiny.config(ema__extra_decays=(0.5,), eval__weights="ema:0.5")
    said = says("stratified")(c)
    assert said == {
        "data": build.source(c, "test").identity
        | {"split": "test, the first 20", "num_examples": 20},
        "figure": said["figure"],
        "estimator": "stratified",
        "num_latents": 10,
        "schedule": "linear_log_snr",
        "prediction": "eps",
        "reverse_variance": "posterior",
        "decoder": "discretised Gaussian around x_hat(z_0), its scale after the reverse"
        " variance",
        "weights": "ema:0.5",
        "x_hat": "clipped to [-1, 1]",
        "stderr": "over draws of noise, the images fixed; stderr_images: over images",
        "step": 3,
    }
    other = tiny.config(
        eval__clip=False,
        schedule__num_steps=0,
        decoder__name="categorical",
        decoder__mean="z_0",
    )
    said = says("ode")(other, step=4)
    assert said["x_hat"] == "not clipped" and said["weights"] == "ema:0.9"
    assert said["num_latents"] == "infinitely many" and said["step"] == 4
    assert said["decoder"] == (
        "categorical over the pixel values around z_0 / alpha_0, of scale sigma_0 / alpha_0"
    )
    assert said["options"] == other.eval.ode.to_dict()
    assert list(said["options"]) == sorted(said["options"])


def test_a_classifiers_is_of_its_noise_and_weights():
    c = tiny.sorting()
    source = build.source(c, "test")

    def say(c):
        return convention.of_classifier(c, source, 3)

    assert that_matter(c, say) == OF_MODEL | OF_WEIGHTS
    said = say(c)
    assert said["data"] == source.identity and said["step"] == 3
    assert said["weights"] == "ema:0.9" and "accuracy" in said["figure"]


SAMPLES = {
    "sample__sampler": "ddim",
    "sample__spacing": "karras",
    "sample__threshold": "dynamic",
    "sample__guidance": "classifier_free",
}
OF_SAMPLES = {
    *(f"sample.{name}" for name in ("sampler", "num_steps", "spacing", "threshold")),
    *(f"sample.{name}" for name in ("end", "guidance", "classes", "seed", "first")),
    *("sample.ddim.eta", "sample.karras.rho", "sample.dynamic.quantile"),
    *(f"sample.classifier_free.{name}" for name in ("scale", "interval", "rescale")),
}


def test_samples_are_of_all_that_draws_them():
    def say(c, reference=(), step=3, others=()):
        return convention.of_samples(c, dict(reference), step, dict(others))

    c = tiny.config(**SAMPLES)
    assert that_matter(c, say) == OF_SAMPLES | OF_WEIGHTS | {"seed"}
    said = say(c, {"data": 1}, 5, {"arrays of classifier": "abc"})
    assert said["reference"] == {"data": 1} and said["step"] == 5
    assert said["arrays of classifier"] == "abc"
    assert said["options"] == {
        "ddim": {"eta": 0.0},
        "karras": {"rho": 7.0},
        "dynamic": {"quantile": 0.995},
        "classifier_free": {"interval": (), "rescale": 0.0, "scale": 2.0},
    }
    assert "drawn, each as likely" in said["classes"]
    assert say(tiny.config(sample__classes=(3, 7)))["classes"] == [3, 7]


def test_an_ode_takes_no_steps_of_a_grid():
    c = tiny.config(sample__sampler="ode")
    said = convention.of_samples(c, {}, 3, {})
    assert not {"num_steps", "spacing"} & said.keys()
    assert said["options"] == {"ode": c.sample.ode.to_dict()}
