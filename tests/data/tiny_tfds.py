"""A small data set in TFDS's own terms, made without Internet.

Its configurations differ in what a source must cope with. Images are handed over
encoded, so that TFDS writes them without TensorFlow.
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

NUM_TRAIN, NUM_TEST = 12, 5


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    shape: tuple[int | None, ...] = (32, 32, 3)
    dtype: type = np.uint8
    # Example number -> (height, width).
    size: Callable[[int], tuple[int, int]] = lambda i: (32, 32)
    extra: tuple[str, ...] = ("id", "label")
    key: str = "image"
    fails: bool = False


def pixels(config: Config, split: str, i: int) -> np.ndarray:
    """What image i of a split holds: noise, its top left value i."""
    generator = np.random.default_rng([i, len(split)])
    image = generator.integers(0, 256, (*config.size(i), config.shape[-1]), np.uint8)
    image[0, 0] = i
    return image


class TinyImages(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        Config(name="cifar"),
        Config(name="grey", shape=(28, 28, 1), size=lambda i: (28, 28), extra=()),
        # As downsampled_imagenet: of one size, which the data set does not say.
        Config(name="unsaid", shape=(None, None, 3), size=lambda i: (8, 8), extra=()),
        Config(
            name="varied",
            shape=(None, None, 3),
            size=lambda i: (20 + i % 3, 30),
            extra=(),
        ),
        Config(name="deep", dtype=np.uint16),
        Config(name="nameless", key="picture"),
        Config(name="offline", fails=True),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        features = {
            config.key: tfds.features.Image(
                shape=config.shape, dtype=config.dtype, encoding_format="png"
            )
        }
        if "id" in config.extra:
            features["id"] = tfds.features.Text()
        if "label" in config.extra:
            features["label"] = tfds.features.ClassLabel(num_classes=10)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager: object) -> dict:
        if self.builder_config.fails:
            raise ConnectionError("Max retries exceeded\nand more")
        return {
            "train": self._generate_examples("train", NUM_TRAIN),
            "test": self._generate_examples("test", NUM_TEST),
        }

    def _generate_examples(self, split: str, num_examples: int):
        config = self.builder_config
        for i in range(num_examples):
            image = pixels(config, split, i)
            file = io.BytesIO()
            mode = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(mode).save(file, "png")
            example = {config.key: file.getvalue(), "id": str(i), "label": i % 10}
            yield (
                i,
                {k: v for k, v in example.items() if k in (config.key, *config.extra)},
            )
