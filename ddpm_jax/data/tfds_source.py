"""Data sets of TensorFlow Datasets, as ArrayRecord files with random access.

Records are parsed here, and only their image and label: that is faster than TFDS's own
decoding, and gives the same pixels wherever Pillow does. TensorFlow is imported only to
prepare a data set.
"""

import difflib
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from etils import epath
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.proto import tf_example_pb2

from ddpm_jax.data import images
from ddpm_jax.data.images import Frame
from ddpm_jax.data.source import Example

FILE_FORMAT = "array_record"
# TFDS's own ten retries take three and a half minutes to fail offline; five, seconds.
MAX_RETRIES = 5
NUM_LOOKED_AT = 16  # Examples that tell what a split contains.


class TfdsSource:
    """A source of records on disk, each decoded when it is asked for."""

    num_values = 256

    def __init__(
        self,
        name: str,
        split: str,
        version: str,
        records: Sequence[bytes],
        has_labels: bool,
        class_names: Sequence[str],
        stored_shape: tuple[int | None, ...],
        frame: Frame,
    ) -> None:
        """records: serialised tf.train.Example; stored_shape: None where a size varies."""
        self.name, self.class_names = name, tuple(class_names)
        self.num_classes = len(self.class_names)
        self._records, self._has_labels, self._frame = records, has_labels, frame
        height, width = 2 * (frame.size,) if frame.size else stored_shape[:2]
        if height is None or width is None:
            self.shape = self._decode(0)["image"].shape
        else:
            self.shape = (height, width, frame.channels)
        self.identity: Mapping[str, Any] = {
            "name": name,
            "version": version,
            "split": split,
            "resizing": frame.describe(),
            "num_examples": len(records),
            "contents": self._contents(),
        }

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int, /) -> Example:
        example = self._decode(index)
        images.check_shape(example["image"], self.shape, self._title(index))
        return example

    def _contents(self) -> str:
        """A digest of the number of examples, a few of them, and the names of classes."""
        num = min(NUM_LOOKED_AT, len(self))
        whole = hashlib.sha256(repr((len(self), self.class_names)).encode())
        for i in range(num):
            whole.update(self._records[i * len(self) // num])
        return whole.hexdigest()[:32]

    def _decode(self, index: int) -> Example:
        fields = tf_example_pb2.Example.FromString(
            self._records[index]
        ).features.feature
        encoded = io.BytesIO(fields["image"].bytes_list.value[0])
        label = fields["label"].int64_list.value[0] if self._has_labels else 0
        return {"image": self._frame.read(encoded, self._title(index)), "label": label}

    def _title(self, index: int) -> str:
        return f"image {index} of {self.name}"


def open_split(
    dataset: str,
    split: str,
    *,
    image_size: int | None,
    center_crop: int | None,
    channels: int | None,
    data_dir: str | None,
) -> TfdsSource:
    """One split of a TFDS data set, prepared first if need be; arguments as in `table.make`.

    Raises:
      ValueError: TFDS does not know it, cannot get it, or it holds no such images.
    """
    here = f"config.data.name = 'tfds:{dataset}'"
    builder = _builder(here, dataset, data_dir)
    if not builder.is_prepared():
        builder = _prepared(here, dataset, data_dir)
    features = builder.info.features
    feature, has_labels = _image_feature(here, features), _has_labels(features)
    records = _records(here, builder, split)
    frame = Frame(
        channels=channels or (1 if feature.shape[-1] in (1, 2) else 3),
        image_size=image_size,
        center_crop=center_crop,
    )
    return TfdsSource(
        f"tfds:{dataset}",
        split,
        builder.info.full_name,
        records,
        has_labels,
        _class_names(features["label"]) if has_labels else (),
        feature.shape,
        frame,
    )


def _builder(
    here: str, dataset: str, data_dir: str | None, **options: Any
) -> tfds.core.DatasetBuilder:
    try:
        return tfds.builder(dataset, data_dir=data_dir, **options)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(dataset, known, n=1)
        hint = f" Did you mean 'tfds:{close[0]}'?" if close else ""
        raise ValueError(f"{here} is no data set that TFDS knows.{hint}") from error
    # For a wrong configuration or version TFDS raises exceptions of many types.
    except Exception as error:
        raise ValueError(
            f"{here} cannot be opened by TFDS: {_reason(error)}"
        ) from error


def _prepared(
    here: str, dataset: str, data_dir: str | None
) -> tfds.core.DatasetBuilder:
    """Downloads and converts a data set, once for all runs."""
    builder = _builder(here, dataset, data_dir, file_format=FILE_FORMAT)
    logging.info("preparing tfds:%s in %s, once ...", dataset, builder.data_path)
    _hide_accelerators()
    downloader.MAX_RETRIES = min(downloader.MAX_RETRIES, MAX_RETRIES)
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Where several processes prepare it at once, the first to end has done it for all.
        if not builder.is_prepared():
            raise ValueError(
                f"{here} could not be prepared: {_reason(error)}. Where there is no"
                f" Internet, copy to {builder.data_path} the {FILE_FORMAT} files that"
                f" tensorflow_datasets.builder('{dataset}', file_format="
                f"'{FILE_FORMAT}').download_and_prepare() writes elsewhere."
            ) from error
    return _builder(here, dataset, data_dir)


def _hide_accelerators() -> None:
    """Hides GPUs from TensorFlow, which would otherwise take their memory from JAX."""
    import tensorflow as tf  # Takes seconds, for this one use.

    tf.config.set_visible_devices([], "GPU")


def _records(
    here: str, builder: tfds.core.DatasetBuilder, split: str
) -> Sequence[bytes]:
    """The serialised examples of a split, by index; none is read yet."""
    formats = {f.value for f in builder.info.available_file_formats()}
    if FILE_FORMAT not in formats:
        raise ValueError(
            f"{here} is prepared in {builder.data_path} as {', '.join(sorted(formats))}"
            f" files, not {FILE_FORMAT}: remove that folder, or write another in"
            " config.data.data_dir, to have it prepared again."
        )
    try:
        records = builder.as_data_source(
            split,
            deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
            file_format=FILE_FORMAT,
        )
    except ValueError as error:
        raise ValueError(
            f"config.data.train_split or eval_split = {split!r} is no split of"
            f" {builder.info.full_name}, which has {', '.join(builder.info.splits)}."
        ) from error
    for instruction in builder.info.splits[split].file_instructions:
        if not epath.Path(instruction.filename).exists():
            raise ValueError(
                f"{here}: {instruction.filename} is missing. Copy it there, or remove"
                " its folder to have it prepared again."
            )
    if not len(records):
        raise ValueError(f"{here}: its split {split!r} is empty.")
    return records


def _image_feature(here: str, features: Any) -> tfds.features.Image:
    if "image" not in features or not isinstance(
        features["image"], tfds.features.Image
    ):
        raise ValueError(f"{here} has no image called 'image', but {list(features)}.")
    feature = features["image"]
    if feature.np_dtype != np.uint8:
        raise ValueError(
            f"{here} has images of {np.dtype(feature.np_dtype)}: only uint8 will do."
        )
    return feature


def _has_labels(features: Any) -> bool:
    if "label" not in features:
        return False
    label = features["label"]
    return label.shape == () and np.issubdtype(label.np_dtype, np.integer)


def _class_names(label: Any) -> Sequence[str]:
    """The names of a label's classes; none of integers that are not said to be classes."""
    return label.names if getattr(label, "num_classes", None) else ()


def _reason(error: Exception) -> str:
    """The type of an error and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].strip()}".rstrip(".: ")
