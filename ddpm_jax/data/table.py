"""Where examples come from: random access to the images of one split, by name.

    digits          scikit-learn's 8x8 digits, 17 grey values
    photos          patches of scikit-learn's two sample photographs
    tfds:<name>     a data set of TensorFlow Datasets, written as it writes them:
                    tfds:cifar10, tfds:imagenet_resized/64x64, tfds:celeb_a:2.1.0
    folder:<path>   image files, one sub-folder a class

A new kind of source is one new file and one new entry of `SOURCES`.
"""

import difflib
import pathlib
from collections.abc import Callable
from typing import Any

from ddpm_jax.data.source import Source


def make(
    name: str,
    split: str,
    *,
    image_size: int | None = None,
    center_crop: int | None = None,
    channels: int | None = None,
    stride: int = 8,
    data_dir: str | None = None,
    skip_broken: bool = False,
) -> Source:
    """One split of the data set called `name`.

    Args:
      name: of this module's table.
      split: "train" or "test"; for TFDS any of its split expressions too.
      image_size: height and width to resize to; None: as stored.
      center_crop: height and width to cut before that; None: nothing.
      channels: 1 or 3; None: as stored for TFDS, 3 for a folder.
      stride: between patches of "photos".
      data_dir: where TFDS keeps its data sets; None: its own default.
      skip_broken: look for unreadable files of a folder at start and leave them out.

    Raises:
      ValueError: in one line, with the field to change.
    """
    kind, colon, rest = name.partition(":")
    if kind not in SOURCES:
        raise ValueError(_unknown(name))
    argument = _ARGUMENTS.get(kind)
    if bool(argument) != bool(rest) or (colon and not rest):
        wanted = f"{kind}:{argument}" if argument else kind
        raise ValueError(f"config.data.name = {name!r}: write {wanted}.")
    return SOURCES[kind](
        rest,
        split,
        image_size=image_size,
        center_crop=center_crop,
        channels=channels,
        stride=stride,
        data_dir=data_dir,
        skip_broken=skip_broken,
    )


# What each wraps takes seconds to import, TensorFlow Datasets most of all: only the one
# that is named is imported.
def _digits(_: str, split: str, **options: Any) -> Source:
    from ddpm_jax.data import builtin

    builtin.refuse("digits", options, "image_size", "center_crop", "channels")
    return builtin.digits(split)


def _photos(_: str, split: str, **options: Any) -> Source:
    from ddpm_jax.data import builtin

    builtin.refuse("photos", options, "center_crop", "channels")
    return builtin.photos(
        split, patch_size=options["image_size"] or 16, stride=options["stride"]
    )


def _tfds(dataset: str, split: str, **options: Any) -> Source:
    from ddpm_jax.data import tfds_source

    return tfds_source.open_split(
        dataset,
        split,
        image_size=options["image_size"],
        center_crop=options["center_crop"],
        channels=options["channels"],
        data_dir=options["data_dir"],
    )


def _folder(path: str, split: str, **options: Any) -> Source:
    from ddpm_jax.data import folder

    return folder.open_split(
        path,
        split,
        image_size=options["image_size"],
        center_crop=options["center_crop"],
        channels=options["channels"],
        skip_broken=options["skip_broken"],
    )


SOURCES: dict[str, Callable[..., Source]] = {
    "digits": _digits,
    "photos": _photos,
    "tfds": _tfds,
    "folder": _folder,
}
_ARGUMENTS = {"tfds": "<name>", "folder": "<path>"}


def _unknown(name: str) -> str:
    kind, _, rest = name.partition(":")
    close = difflib.get_close_matches(kind, SOURCES, n=1)
    if close:
        guess = f"{close[0]}:{rest}" if rest else close[0]
    elif pathlib.Path(name).is_dir():
        guess = f"folder:{name}"
    else:
        guess = f"tfds:{name}"
    return (
        f"config.data.name = {name!r} is not one of digits, photos, tfds:<name>,"
        f" folder:<path>. Did you mean {guess!r}?"
    )
