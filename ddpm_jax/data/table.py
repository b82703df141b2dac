"""The table of data sources, and one split of a data set by its name.

    digits          scikit-learn's 8x8 digits, 17 grey values
    photos          patches of scikit-learn's two sample photographs
    tfds:<name>     a data set of TensorFlow Datasets, written as it writes them:
                    tfds:cifar10, tfds:imagenet_resized/64x64, tfds:celeb_a:2.1.0
    folder:<path>   image files, one sub-folder a class
    points:<name>   points of a distribution that is known, such as points:two_peaks
    points:<file>   points from a .npy or .csv file

A new kind of source is one new file and one new entry of `SOURCES`.
"""

import dataclasses
import difflib
import os
from typing import NamedTuple

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.data.point_shapes import PointsOptions
from ddpm_jax.data.source import Source


class Reading(NamedTuple):
    """The fields of config.data that say how a source is read.

    Attributes:
      image_size: height and width in pixels to resize to; None: as stored.
      center_crop: height and width in pixels to crop to before resizing; None: no crop.
      channels: 1 or 3; None: as stored, or 3 for a folder.
      stride: pixels between patches of "photos".
      data_dir: folder of TFDS's data sets; None: TFDS's default.
      skip_broken: leave unreadable files of a folder out.
    """

    image_size: int | None = None
    center_crop: int | None = None
    channels: int | None = None
    stride: int = 8
    data_dir: str | None = None
    skip_broken: bool = False


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
    options: Options | None = None,
) -> Source:
    """One split of the data set called `name`.

    Args:
      name: name in `SOURCES`, with ":" and an argument where the source takes one.
      split: "train" or "test"; for TFDS any of its split expressions too.
      image_size: height and width in pixels to resize to; None: as stored.
      center_crop: height and width in pixels to crop to before resizing; None: no crop.
      channels: 1 or 3; None: as stored for TFDS, 3 for a folder.
      stride: pixels between patches of "photos".
      data_dir: folder of TFDS's data sets; None: TFDS's default.
      skip_broken: look for unreadable files of a folder at start and leave them out.
      options: options of the choice itself; None: its defaults.

    Raises:
      ValueError: in one line, with the field to change.
    """
    kind, colon, rest = name.partition(":")
    if kind not in SOURCES:
        raise ValueError(_unknown(name))
    choice = SOURCES[kind]
    argument = next((a for trait, a in ARGUMENTS.items() if choice.has(trait)), None)
    if bool(argument) != bool(rest) or (colon and not rest):
        wanted = f"{kind}:{argument}" if argument else kind
        raise ValueError(f"config.data.name = {name!r}: write {wanted}.")
    reading = Reading(image_size, center_crop, channels, stride, data_dir, skip_broken)
    source: Source = choice.make(options or choice.options(), rest, split, reading)
    return source


# Their libraries take seconds to import, TensorFlow Datasets most of all: only the source
# that is named imports its own.
def _digits(_: Options, __: str, split: str, reading: Reading) -> Source:
    from ddpm_jax.data import builtin

    _check_unset("digits", reading, "image_size", "center_crop", "channels")
    return builtin.digits(split)


def _photos(_: Options, __: str, split: str, reading: Reading) -> Source:
    from ddpm_jax.data import builtin

    _check_unset("photos", reading, "center_crop", "channels")
    size = reading.image_size or 16
    return builtin.photos(split, patch_size=size, stride=reading.stride)


def _tfds(_: Options, dataset: str, split: str, reading: Reading) -> Source:
    from ddpm_jax.data import tfds_source

    return tfds_source.open_split(
        dataset,
        split,
        image_size=reading.image_size,
        center_crop=reading.center_crop,
        channels=reading.channels,
        data_dir=reading.data_dir,
    )


@dataclasses.dataclass(frozen=True)
class FolderOptions(Options):
    """The layout of a folder of images."""

    splits: str = option(
        "named",
        "By the names of sub-folders, or hashed: all of these are classes.",
        one_of=("named", "hashed"),
    )


def _folder(options: FolderOptions, path: str, split: str, reading: Reading) -> Source:
    from ddpm_jax.data import folder

    return folder.open_split(
        path,
        split,
        layout=options.splits,
        image_size=reading.image_size,
        center_crop=reading.center_crop,
        channels=reading.channels,
        skip_broken=reading.skip_broken,
    )


def _points(options: PointsOptions, what: str, split: str, reading: Reading) -> Source:
    from ddpm_jax.data import points

    _check_unset("points", reading, "image_size", "center_crop", "channels")
    return points.open_split(what, split, options)


# Each makes a `Source` of its options, what follows the colon in config.data.name, the split,
# and a `Reading`. The traits say what follows the colon: "named", "at_path" or either; nothing
# without. "continuous": the data are real numbers.
SOURCES: Table = {
    "digits": Choice(Options, _digits),
    "photos": Choice(Options, _photos),
    "tfds": Choice(Options, _tfds, frozenset({"named"})),
    "folder": Choice(FolderOptions, _folder, frozenset({"at_path"})),
    "points": Choice(
        PointsOptions, _points, frozenset({"named_or_at_path", "continuous"})
    ),
}
ARGUMENTS = {
    "named": "<name>",
    "at_path": "<path>",
    "named_or_at_path": "<name or file>",
}


def _check_unset(name: str, reading: Reading, *fields: str) -> None:
    """Raises ValueError if a field is set that does not apply to this data set."""
    for field in fields:
        if (value := getattr(reading, field)) is not None:
            raise ValueError(
                f"config.data.{field} = {value} cannot be had of {name!r}:"
                " leave it out."
            )


def _unknown(name: str) -> str:
    kind, _, rest = name.partition(":")
    close = difflib.get_close_matches(kind, SOURCES, n=1)
    if close:
        guess = f"{close[0]}:{rest}" if rest else close[0]
    elif os.path.isdir(os.path.expanduser(name)):
        guess = f"folder:{name}"
    else:
        guess = f"tfds:{name}"
    known = [
        ":".join([kind, *(a for trait, a in ARGUMENTS.items() if choice.has(trait))])
        for kind, choice in SOURCES.items()
    ]
    return (
        f"config.data.name = {name!r} is not one of {', '.join(known)}."
        f" Did you mean {guess!r}?"
    )
