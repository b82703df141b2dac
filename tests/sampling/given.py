"""Image files for tasks, and what a config's task makes of them."""

import jax
import numpy as np

from ddpm_jax.check import check_config
from ddpm_jax.models import build
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import sample_batches, tasks
from tests import tiny

NUM_VALUES = 17


SHAPE = (8, 8, 1)


def values(seed, *shape, num_values=NUM_VALUES):
    return np.random.default_rng(seed).integers(0, num_values, shape).astype(np.uint8)


def put(path, image, num_values=NUM_VALUES):
    """Writes pixel values as a PNG; returns its path as text."""
    path.write_bytes(encoding.png(encoding.to_uint8(image, num_values)))
    return str(path)


def put_mask(path, painted):
    path.write_bytes(encoding.png(np.uint8(255) * painted[..., None]))
    return str(path)


def config(**changes):
    few = {"sample__batch_size": 4, "sample__num_samples": 4}
    return tiny.config(**(few | changes))


def drawn(num_batches=1, **changes):
    """A network away from its start, and what the config's task makes by it."""
    c = config(**changes)
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    params = tiny.away_from_start(jax.jit(model.init)(jax.random.key(0)))
    mesh = tiny.one_device()
    task = tasks.of(c, model.shape, model.pixel_decoder.num_values)
    batches = sample_batches.Batches(c, mesh, model, None, task)
    found = [batches.draw(params, i * c.sample.batch_size) for i in range(num_batches)]
    assert batches._compiled._cache_size() == 1
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def inpainting(tmp_path, painted, **changes):
    image = values(0, *SHAPE)
    found = drawn(
        sample__task="inpainting",
        sample__inpainting__image=put(tmp_path / "image.png", image),
        sample__inpainting__mask=put_mask(tmp_path / "mask.png", painted),
        **changes,
    )
    return image, found


def from_image(path, strength, **changes):
    return drawn(
        sample__task="image_to_image",
        sample__image_to_image__image=path,
        sample__image_to_image__strength=strength,
        sample__num_steps=10,
        **changes,
    )


def between(tmp_path, **changes):
    a, b = values(4, *SHAPE), values(5, *SHAPE)
    options = {
        "sample__task": "interpolation",
        "sample__sampler": "ddim",
        "sample__interpolation__first": put(tmp_path / "first.png", a),
        "sample__interpolation__last": put(tmp_path / "last.png", b),
        "sample__num_samples": 5,
    }
    return a, b, options | changes
