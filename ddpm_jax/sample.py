"""Draw samples from a model.

Sample j is a function of (seed, j) and the weights: how many are drawn at a time, and on how
many devices, does not change it.
"""

import io
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.sharding import Mesh
from jaxtyping import UInt8

from ddpm_jax import build, pictures, trained, workdir
from ddpm_jax.binding import Model
from ddpm_jax.config import Config
from ddpm_jax.training import files, parallel, progress
from ddpm_jax.training.randomness import Stream, example_keys, stream_key

Images = UInt8[np.ndarray, "samples height width channels"]
FOLDER = "samples"
# Steps x images from which a bar is worth its line.
LONG = 2_000


def make_sampler(config: Config, mesh: Mesh, model: Model) -> Callable[[Any], Images]:
    """Compiles once: parameters -> config.sample.num_samples images, as pixel values."""
    draw = build.sampler(config, model)
    root = stream_key(config.seed, Stream.SAMPLE)
    batch_size = config.sample.batch_size
    num_samples = config.sample.num_samples
    is_long = config.sample.num_steps * num_samples >= LONG
    bar = progress.Bar("sampling", -(-num_samples // batch_size), shown=is_long)

    def images_of(params: Any, batch: Any) -> Any:
        keys = example_keys(root, batch["index"])
        return model.codec.decode(draw(model.bind(params), keys, bar.inner))

    compiled = parallel.compile_for_batch(mesh, images_of)
    num_local = batch_size // jax.process_count()

    def sample(params: Any) -> Images:
        found = []
        with bar:
            for start in range(0, num_samples, batch_size):
                first = start + jax.process_index() * num_local
                index = np.arange(first, first + num_local, dtype=np.int32)
                batch = parallel.put_batch(mesh, {"index": index})
                found.append(np.asarray(compiled(params, batch)))
                bar.update()
        return np.concatenate(found)[:num_samples]

    return sample


def picture_path(path: epath.Path, step: int) -> epath.Path:
    return path / FOLDER / f"{step}.png"


def write(
    path: epath.Path, step: int, pixels: Images, num_values: int
) -> UInt8[np.ndarray, "grid_height grid_width channels"]:
    """Writes samples/<step>.npz and a grid as .png; returns the grid."""
    picture = pictures.grid(pictures.to_uint8(pixels, num_values))
    if jax.process_index() == 0:
        png = picture_path(path, step)
        png.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=pixels, num_values=num_values)
        files.replace_bytes(png.with_suffix(".npz"), buffer.getvalue())
        files.replace_bytes(png, pictures.png(picture))
    return picture


def run(config: Config, directory: epath.PathLike) -> None:
    """`--mode=sample`: from a checkpoint to samples/<step>.png and .npz."""
    t = trained.load(
        config, directory, step=config.sample.step, weights=config.sample.weights
    )
    workdir.make_folder(t.path / FOLDER)
    logging.info("compiling the sampler ...")
    pixels = make_sampler(config, t.mesh, t.model)(t.params)
    write(t.path, t.step, pixels, t.source.num_values)
    print(f"step {t.step}: {len(pixels)} samples in {picture_path(t.path, t.step)}")
