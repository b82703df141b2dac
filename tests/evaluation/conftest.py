"""A denoiser and a classifier that judges its samples, trained once for all of these tests."""

import contextlib

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module", autouse=True)
def small_runs(small_network, one_device):
    """Runs of these tests are of small networks, on one device."""


@contextlib.contextmanager
def small():
    """The same for what outlives a module."""
    # Not earlier: what is imported before pytest is configured has no types checked.
    from tests import tiny

    with pytest.MonkeyPatch.context() as patch:
        tiny.use_small_network(patch)
        tiny.use_one_device(patch)
        yield


@pytest.fixture(scope="session")
def judge(tmp_path_factory):
    """The workdir of a classifier, with checkpoints of steps 1 and 2."""
    from ddpm_jax import train
    from tests import tiny

    path = tmp_path_factory.mktemp("judge")
    with small():
        assert train.run(tiny.sorting(training__checkpoint_every=1), path) == 0
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The workdir of a denoiser, at step 2."""
    from ddpm_jax import train
    from tests import tiny

    path = tmp_path_factory.mktemp("run")
    with small():
        assert train.run(tiny.config(training__num_steps=2), path) == 0
    return path


@pytest.fixture(scope="session")
def judged(judge):
    """Makes the config of samples that the classifier judges, with some changes."""
    from tests import tiny

    def config(**changes):
        settings = {
            "eval__estimators": "fid,kid,inception_score,precision_recall,"
            "density_coverage",
            "eval__batch_size": 512,
            "eval__quality__extractor": "classifier",
            "eval__quality__classifier": str(judge),
            "eval__quality__num_samples": 24,
            "sample__num_steps": 3,
        }
        return tiny.config(**(settings | changes))

    return config


@pytest.fixture(scope="session")
def restored(run):
    """The denoiser as its checkpoint has it."""
    from ddpm_jax.runs import restore
    from tests import tiny

    with small():
        return restore.load(tiny.config(), run, step=-1, weights="ema")


@pytest.fixture(scope="session")
def extractor(judged, restored):
    """The classifier's features."""
    from ddpm_jax.evaluation import features

    with small():
        return features.make(judged(), restored.mesh, restored.source, restored.others)


@pytest.fixture(scope="session")
def look(extractor):
    """What the extractor makes of images, however many."""
    from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures

    def seen(images):
        padded = np.concatenate([images, images[: -len(images) % 8]])
        found = extractor.extract(jnp.asarray(padded))
        return ExtractedFeatures(*(part[: len(images)] for part in found))

    return seen


@pytest.fixture(scope="session")
def train_images():
    """Every training image."""
    from ddpm_jax.models import build
    from tests import tiny

    source = build.source(tiny.config(), "train")
    return np.stack([source[i]["image"] for i in range(len(source))])


@pytest.fixture(scope="session")
def real(look, train_images):
    """Features of every training image."""
    return look(train_images).features
