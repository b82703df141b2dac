"""Every guide with every sampler, prediction and schedule: all pairs of choices draw."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import run_data
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.models import build
from ddpm_jax.models.restored import OtherRuns, Restored
from ddpm_jax.sampling import guides, sample_batches
from tests import later, tiny
from tests.sampling.guided import FREE, WEAK, by_sorter, config

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


# All choices of four kinds, with what the config says of each.
CHOICES = {
    "guidance": {
        "none": {},
        "classifier_free": FREE,
        "classifier": by_sorter("of_a_test", 2.0),
        "autoguidance": WEAK,
    },
    "sampler": {
        name: {"sample__sampler": name}
        for name in (
            "ancestral",
            "ddim",
            "dpm_solver",
            "unipc",
            "euler",
            "heun",
            "predictor_corrector",
            "ode",
        )
    },
    "prediction": {
        name: {"prediction": name} for name in ("eps", "x", "v", "score", "mean")
    },
    "schedule": {
        "chain": {"reverse_variance": "learned"},
        "continuous": {"schedule__num_steps": 0, "decoder__mean": "z_0"},
        "learned": {
            "schedule__num_steps": 0,
            "decoder__mean": "z_0",
            "schedule__name": "learned_monotone",
            "schedule__learned_monotone__interior": "line",
        },
    },
}


EVERY = list(itertools.product(*CHOICES.values()))


def is_impossible(combination):
    _, sampler, prediction, schedule = combination
    return (sampler, prediction, schedule) == ("ode", "mean", "chain")


def pairs_of(combination):
    return set(itertools.combinations(enumerate(combination), 2))


def cover():
    """Combinations in which each pair of choices is somewhere: greedily the most new ones."""
    possible = [c for c in EVERY if not is_impossible(c)]
    missing, chosen = set().union(*map(pairs_of, possible)), []
    while missing:
        chosen.append(max(possible, key=lambda c: len(pairs_of(c) & missing)))
        missing -= pairs_of(chosen[-1])
    return chosen


def test_every_choice_there_is_is_in_the_table():
    sampled = tiny.config().sample
    for kind, table in (
        ("guidance", guides.GUIDES),
        ("sampler", SAMPLERS),
        ("prediction", PREDICTIONS),
    ):
        assert CHOICES[kind].keys() == table.keys()
    assert sampled.guidance == "none"


def combined(combination):
    changes = {
        "model__time_input": "log_snr",
        "sample__num_steps": 3,
        "sample__batch_size": 2,
        "sample__ode__rtol": 0.1,
        "sample__ode__atol": 0.1,
    }
    for kind, choice in zip(CHOICES.values(), combination, strict=True):
        changes |= kind[choice]
    return config(**changes)


@pytest.fixture(scope="module")
def asked(small_network):
    """Instead of runs on disk, models by config; one of each schedule and prediction."""
    mesh = tiny.one_device()
    source = build.source(tiny.config(), "test")
    data = run_data.of_source(source, "test", lambda split: source)
    made, nowhere = {}, epath.Path("of_a_test")

    def weak(field, path, c, *_, **options):
        restored = built(c)
        params = jax.tree.map(lambda a: 0.9 * a, restored.params)
        return dataclasses.replace(restored, params=params)

    def sorter(field, path, c, *_, **options):
        # It may be asked about the times of any of these configs.
        return dataclasses.replace(built(tiny.sorting()), config=c)

    others = OtherRuns(weak, sorter)

    def built(c):
        key = (c.model.name, c.prediction, c.schedule.num_steps, c.schedule.name)
        if key not in made:
            model = build.backbone(c, source)
            shapes = jax.eval_shape(model.init, jax.random.key(0))
            zeros = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), shapes)
            params = jax.device_get(tiny.away_from_start(zeros))
            made[key] = Restored(nowhere, mesh, data, model, 0, params, c, others)
        return made[key]

    return built


def batches_of(asked, combination):
    c = combined(combination)
    check_config(c)
    t = asked(c)
    return sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t)), t


@pytest.mark.parametrize(
    "combination", later.all_but(cover(), cover()[1::2]), ids="-".join
)
def test_pairs_of_choices_draw_images_by_one_program(asked, combination):
    batches, t = batches_of(asked, combination)
    for first in (0, 2):
        found = batches.draw(t.params, first)
        assert found.pixels.shape == (2, 8, 8, 1)
        assert found.pixels.max() <= 16
        # Numbers that are not finite would make an image all 0.
        assert all(len(np.unique(image)) > 1 for image in found.pixels)
    assert batches._compiled._cache_size() == 1


def test_every_guide_goes_with_every_prediction_and_schedule(asked):
    """All combinations, up to what a sampler is given."""
    z_t, t = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32), jnp.full((2,), 0.5)
    others = [CHOICES[kind] for kind in ("guidance", "prediction", "schedule")]
    for guidance, prediction, schedule in itertools.product(*others):
        c = combined((guidance, "ddim", prediction, schedule))
        check_config(c)
        own = asked(c)
        guide = guides.of(c, own)

        def denoise(z_t, own=own, guide=guide):
            labels = jnp.array([3, -1])
            return guide.bind(own.params, guide.params, labels).denoise(z_t, t)

        found = jax.eval_shape(denoise, z_t)
        assert found.x.shape == found.eps.shape == (2, 8, 8, 1)
        assert found.x.dtype == found.eps.dtype == jnp.float32


def test_what_is_impossible_is_refused_whatever_guides():
    impossible = [c for c in EVERY if is_impossible(c)]
    assert len(impossible) == len(CHOICES["guidance"])
    for combination in impossible:
        with pytest.raises(ConfigError, match="'ode' needs a model between") as error:
            check_config(combined(combination))
        assert "\n" not in str(error.value)
