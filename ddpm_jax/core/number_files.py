"""A user's files of numbers, `.npy` or `.csv`: rows of as many numbers each, all finite."""

import os
import re
import warnings

import numpy as np
from jaxtyping import Float64

from ddpm_jax.core import outside, paths
from ddpm_jax.core.errors import ConfigError

SUFFIXES = (".npy", ".csv")
# Of a message of numpy's.
COLUMN = re.compile(r"row (\d+), column (\d+)")


def is_named(path: str) -> bool:
    """Whether a path names such a file, there or not."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


def read(
    path: str | os.PathLike[str], field: str
) -> Float64[np.ndarray, "rows columns"]:
    """Reads a file of numbers; one of `[n]` numbers has n rows of one.

    Args:
      path: a `.npy` file of a real array, or a `.csv` file of numbers between commas.
      field: the flag or field with its value, for messages.

    Raises:
      ConfigError: in one line, it is no such file, or holds nothing or what is no number.
    """
    file = os.fspath(paths.expanded(path, field))
    if not is_named(file):
        raise ConfigError(f"{field}: write the path of a .npy or .csv file.")
    try:
        array = _csv(file) if file.lower().endswith(".csv") else _npy(file)
    # Each reader has exceptions of its own for what is no file of its kind.
    except Exception as error:
        if outside.is_passing(error):
            raise
        raise ConfigError(f"{field} cannot be read: {_reason(error)}.") from error
    if array.dtype.kind not in "fiub":
        raise ConfigError(
            f"{field} holds an array of {array.dtype}: write one of real numbers."
        )
    if array.ndim not in (1, 2):
        raise ConfigError(
            f"{field} holds an array of shape {array.shape}: write one of [n] numbers, or"
            " of [n, dimensions]."
        )
    if array.size == 0:
        raise ConfigError(f"{field} holds no number: write at least one row.")
    values = array.astype(np.float64).reshape(len(array), -1)
    if not np.all(np.isfinite(values)):
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ConfigError(
            f"{field} holds {values[row, column]} in row {row}, column {column}, both"
            " counted from 0: leave such rows out."
        )
    return values


def _npy(file: str) -> np.ndarray:
    with open(file, "rb") as beginning:
        if beginning.read(len(np.lib.format.MAGIC_PREFIX)) == b"":
            raise ValueError("it is empty")
    # A pickle could run any program.
    try:
        array = np.load(file, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError("it is no array of numbers as numpy saves them") from error
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive of arrays, not one array")
    return array


def _csv(file: str) -> np.ndarray:
    with warnings.catch_warnings():
        # An empty file is told as such.
        warnings.simplefilter("ignore", UserWarning)
        return np.loadtxt(file, delimiter=",", ndmin=2, encoding="utf-8-sig")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # What numpy advises beyond the semicolon is of its own arguments.
    text = " ".join(str(error).partition(";")[0].split()).rstrip(".;: ")
    return COLUMN.sub(_from_0, text) or type(error).__name__


def _from_0(place: re.Match[str]) -> str:
    """A place that numpy gives, with its column counted from 0 as its row is."""
    return f"row {place[1]}, column {int(place[2]) - 1}, both counted from 0"
