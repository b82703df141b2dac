"""From a config to its parts: every field reaches what it is of."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.process.gaussian_decoder import GaussianDecoder
from ddpm_jax.models import backbone, build
from ddpm_jax.training import parallel
from ddpm_jax.training.state import TrainState, Window
from tests import tiny


def model_of(**changes):
    c = tiny.config(**changes)
    check_config(c)
    return c, build.model(c, build.source(c, "train"))


def simple_model_of(**changes):
    """With a network of one convolution."""
    c, model = model_of(**changes)
    channels = 2 if c.reverse_variance == "learned" else 1
    network = tiny.Network(channels, dropout=c.model.unet.dropout)
    return c, dataclasses.replace(model, network=network)


def test_every_average_and_the_raw_weights_can_be_named():
    c = tiny.config(ema__decay=0.9, ema__extra_decays=(0.5, 0.99))
    assert build.weight_names(c) == ["raw", "ema", "ema:0.9", "ema:0.5", "ema:0.99"]

    averages = {"0.9": "a", "0.5": "b", "0.99": "c"}
    state = TrainState(0, 0, 0, "raw parameters", averages, (), (), Window.empty())
    found = [build.weights(c, state, name) for name in build.weight_names(c)]
    assert found == ["raw parameters", "a", "a", "b", "c"]


@pytest.mark.parametrize(
    ("of", "changes", "message"),
    [
        (
            tiny.config,
            {"decoder__name": "gaussian"},
            r"'gaussian' is of real numbers, and config.data.name = 'digits' has pixel"
            r" values: write 'discretized_gaussian' or 'categorical'",
        ),
        (
            tiny.points,
            {"decoder__name": "categorical"},
            r"'categorical' is of pixel values, and config.data.name = 'points:moons' has"
            r" real numbers: write 'gaussian'",
        ),
    ],
)
def test_a_decoder_of_other_data_is_refused(of, changes, message):
    c = of(**changes)
    with pytest.raises(ConfigError, match=message):
        build.model(c, build.source(c, "train"))


def test_the_decoders_options_reach_it():
    c = tiny.points(decoder__gaussian__scale=3.0, decoder__gaussian__shift=-1.0)
    made = build.model(c, build.source(c, "train"))
    assert made.pixel_decoder == GaussianDecoder(3.0, -1.0, "x_hat")
    assert made.shape == (1, 1, 2)


def test_continuous_data_far_from_1_in_the_units_of_x_are_refused():
    c = tiny.points(decoder__gaussian__scale=1e-4)
    source = build.source(c, "train")
    with pytest.raises(
        ConfigError, match=r"far from 1: .*gaussian\.scale = \d"
    ) as error:
        build.check_units(c, build.model(c, source), source)
    c.decoder.gaussian.scale = float(
        str(error.value).split("scale = ")[1].split(",")[0]
    )
    build.check_units(c, build.model(c, source), source)
    images = tiny.config()
    source = build.source(images, "train")
    build.check_units(images, build.model(images, source), source)


def test_a_network_of_images_is_refused_of_points_with_one_that_is_not():
    c = tiny.points(model__name="unet")
    with pytest.raises(
        ConfigError, match=r"1x1 images .*; write config.model.name = 'mlp'"
    ):
        build.model(c, build.source(c, "train"))


def test_images_that_do_not_fit_the_network_are_refused():
    with pytest.raises(ConfigError, match=r"does not fit the 8x8 images .*divisible"):
        model_of(model__unet__feature_mults=(1, 1, 1, 1, 1))


def test_every_field_of_a_source_reaches_it(monkeypatch):
    asked, digits = [], build.source(tiny.config(), "test")

    def make(*names, **fields):
        asked.append((names, fields))
        return digits

    monkeypatch.setattr(build.table, "make", make)
    c = tiny.config(
        data__image_size=32,
        data__center_crop=48,
        data__channels=3,
        data__stride=5,
        data__data_dir="there",
        data__skip_broken=True,
    )
    build.source(c, "validation")
    build.source(tiny.config(), "train")
    fields = dict(
        image_size=32,
        center_crop=48,
        channels=3,
        stride=5,
        data_dir="there",
        skip_broken=True,
        options=None,
    )
    assert asked[0] == (("digits", "validation"), fields)
    nothing = dict.fromkeys(("image_size", "center_crop", "channels", "data_dir"))
    others = {"stride": 8, "skip_broken": False, "options": None}
    assert asked[1] == (("digits", "train"), nothing | others)


def test_a_network_is_made_for_its_images_classes_and_variance():
    c = tiny.config(
        model__class_conditional=True,
        model__label_dropout=0.37,
        reverse_variance="learned",
    )
    source = build.source(c, "train")
    network = build.network(c, source)
    assert (network.num_classes, network.label_dropout) == (10, 0.37)
    assert network.out_channels == 2
    plain = build.network(tiny.config(), source)
    assert (plain.num_classes, plain.out_channels) == (0, 1)
    assert build.classifier_model(tiny.sorting(), source).network.num_outputs == 10


@pytest.mark.parametrize(
    ("changes", "scale"),
    [
        ({}, 9.0),
        ({"model__time_scale": 3.0}, 3.0),
        ({"model__time_input": "log_snr"}, 1000.0),
        ({"schedule__num_steps": 0, "decoder__mean": "z_0"}, 1000.0),
    ],
)
def test_what_a_network_is_told_of_time_is_the_configs(changes, scale):
    c, model = model_of(**changes, model__log_snr_bounds=(-3.0, 7.0))
    assert model.time_scale == scale
    assert model.log_snr_bounds == (-3.0, 7.0)
    assert model.num_steps == c.schedule.num_steps
    names = {"t": backbone.by_time, "log_snr": backbone.by_log_snr}
    assert model.time_input is names[c.model.time_input]
    assert model.pixel_decoder.mean_from == c.decoder.mean
    assert model_of()[1].log_snr_bounds is None


@pytest.fixture
def trained_by(monkeypatch, small_network):
    """What training is made of: the step's settings and axis, and how devices share it."""

    def run(**changes):
        c = tiny.config(**changes)
        model = build.model(c, build.source(c, "train"))
        found = {}

        def make_train_step(objective, rule, rate, settings, axis_name):
            found["settings"], found["axis"] = settings, axis_name
            return lambda state, batch: state

        def by(mode):
            def run(mesh, init, step, remat=False):
                found.update(mode=mode, mesh=mesh, remat=remat)
                return init

            return run

        with monkeypatch.context() as patch:
            patch.setattr(build.step, "make_train_step", make_train_step)
            patch.setattr(parallel, "by_jit", by("jit"))
            patch.setattr(parallel, "by_pmap", by("pmap"))
            mesh = build.mesh(c)
            # The type of what is returned is not that of a training.
            build.training.__wrapped__.__wrapped__(c, mesh, model)
        return found

    return run


def test_every_setting_of_the_step_is_the_configs(trained_by):
    found = trained_by(
        seed=7,
        training__num_microbatches=2,
        training__log_every=13,
        ema__decay=0.75,
        ema__extra_decays=(0.5,),
        ema__warmup=True,
    )
    assert dataclasses.asdict(found["settings"]) == {
        "seed": 7,
        "num_microbatches": 2,
        "ema_decays": {"0.75": 0.75, "0.5": 0.5},
        "ema_warmup": True,
        "log_every": 13,
    }


def test_devices_share_the_work_as_the_config_says(trained_by):
    found = trained_by(parallel__fsdp=4)
    assert (found["mode"], found["axis"], found["remat"]) == ("jit", None, False)
    assert found["mesh"].shape == {"data": 2, "fsdp": 4}
    found = trained_by(parallel__mode="pmap", model__unet__remat=True)
    assert (found["mode"], found["remat"]) == ("pmap", True)
    assert found["axis"] == parallel.PMAP_AXIS


OPTIMIZER = {
    "optimizer__name": "adamw",
    "optimizer__learning_rate": 0.02,
    "optimizer__schedule_learning_rate": 0.005,
    "optimizer__warmup_steps": 3,
    "optimizer__decay": "cosine",
    "optimizer__decay_steps": 9,
    "optimizer__final_fraction": 0.25,
    "optimizer__b1": 0.8,
    "optimizer__b2": 0.95,
    "optimizer__eps": 1e-2,
    "optimizer__weight_decay": 0.1,
    "optimizer__clip_norm": 0.5,
}


def rate_at(n):
    """Of the network, after n updates, by hand."""
    if n < 3:
        return 0.02 * (n + 1) / 3
    share = min((n - 3) / 6, 1.0)
    return 0.02 * (0.25 + 0.75 * 0.5 * (1.0 + np.cos(np.pi * share)))


def test_every_option_of_the_optimizer_is_the_configs():
    """Eleven updates by hand, in float64, of a kernel, a bias and a schedule's end."""
    rule, rate = build.optimizer_of(tiny.config(**OPTIMIZER))
    params = {
        "net": {"kernel": jnp.array([1.0, -2.0]), "bias": jnp.array([0.5])},
        "schedule": {"end": jnp.array([3.0])},
    }
    state = rule.init(params)
    flat = np.array([1.0, -2.0, 0.5, 3.0])
    m, v = np.zeros(4), np.zeros(4)
    for n in range(11):
        grads = np.random.default_rng(n).standard_normal(4)
        updates, state = rule.update(
            {
                "net": {
                    "kernel": jnp.asarray(grads[:2], jnp.float32),
                    "bias": jnp.asarray(grads[2:3], jnp.float32),
                },
                "schedule": {"end": jnp.asarray(grads[3:], jnp.float32)},
            },
            state,
            params,
        )
        params = jax.tree.map(jnp.add, params, updates)
        np.testing.assert_allclose(rate(n), rate_at(n), rtol=1e-5)

        norm = np.linalg.norm(grads[:3])
        grads[:3] *= min(1.0, 0.5 / norm)
        m, v = 0.8 * m + 0.2 * grads, 0.95 * v + 0.05 * grads**2
        ratio = m / (1 - 0.8 ** (n + 1)) / (np.sqrt(v / (1 - 0.95 ** (n + 1))) + 1e-2)
        ratio[:2] += 0.1 * flat[:2]
        flat = flat - rate_at(n) * np.array([1.0, 1.0, 1.0, 0.25]) * ratio
        found = np.concatenate(
            [params["net"]["kernel"], params["net"]["bias"], params["schedule"]["end"]]
        )
        np.testing.assert_allclose(found, flat, rtol=1e-4)
