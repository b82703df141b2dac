"""Groups of figures that may be compared, and the difference between two of them.

Image i of a split is measured with noise from (seed, i), the same for every run of that seed,
so that the figures of two runs err alike. Their difference, taken image by image, is therefore
known better than either.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ddpm_jax.core.errors import flat
from ddpm_jax.data import identity
from ddpm_jax.evaluation.results.saved import DEFINING, Result, known

# Options of an estimator that its noise does not depend on; of any other it may. The number of
# draws is told apart from them.
NOT_DRAWING = ("num_draws", "chunk", "solver", "rtol", "atol", "max_steps")


class Difference(NamedTuple):
    """A figure less another, over the images that both have, in bits per dim.

    Attributes:
      bits_per_dim: mean over these images; None: not finite.
      stderr: its standard error over draws of noise; None: not known.
      stderr_images: its standard error over images; None: there is only one.
      num_images: these images.
      has_common_noise: both figures are of the same draws, and `stderr` is of their
        differences; else it is that of independent draws.
    """

    bits_per_dim: float | None
    stderr: float | None
    stderr_images: float | None
    num_images: int
    has_common_noise: bool


def groups(results: Iterable[Result]) -> list[list[Result]]:
    """The results grouped by the kind of their figures, in their order.

    Data that do not say what they contain, as of an earlier version, are of the first kind
    that they may be of.
    """
    found: list[list[Result]] = []
    for result in results:
        for group in found:
            if not any(_defining(result, other) for other in group):
                group.append(result)
                break
        else:
            found.append([result])
    return found


def separating(results: Sequence[Result]) -> set[str]:
    """The fields of a convention that make figures of different kinds of these results."""
    pairs = itertools.combinations(results, 2)
    return {field for one, other in pairs for field in _defining(one, other)}


def _defining(ours: Result, theirs: Result) -> set[str]:
    """The fields that make two results figures of different kinds."""
    a, b = ours.convention, theirs.convention
    fields = {field for field in DEFINING if a.get(field) != b.get(field)}
    if "data" in fields:
        fields.remove("data")
        fields |= {
            f"data.{field}" for field in identity.differences(a["data"], b["data"])
        }
    return fields


def differing(results: Iterable[Result]) -> dict[str, dict[str, list[str]]]:
    """The fields of a convention that differ: field -> value -> names of the runs."""
    conventions = [(result.name, flat(result.convention)) for result in results]
    found: dict[str, dict[str, list[str]]] = {}
    for field in dict.fromkeys(field for _, c in conventions for field in c):
        names: dict[str, list[str]] = {}
        for name, convention in conventions:
            having = names.setdefault(str(convention.get(field, "not said")), [])
            if name not in having:
                having.append(name)
        if len(names) > 1:
            found[field] = names
    return found


def difference(ours: Result, theirs: Result) -> Difference | None:
    """Our figure less theirs, paired by image.

    The mean over draws of an image is that of two independent halves, so a quarter of the
    square of what these differ by is, without bias, its variance. Where draws are shared,
    this is done with the halves of the difference.

    Returns:
      None where the figures are of different kinds, or have no image in common.
    """
    a, b = ours.images, theirs.images
    if len(groups((ours, theirs))) > 1 or a is None or b is None:
        return None
    common, at_a, at_b = np.intersect1d(
        a.numbers, b.numbers, assume_unique=True, return_indices=True
    )
    num = common.size
    if a.num_dims != b.num_dims or not num:
        return None
    nats = a.nats[at_a] - b.nats[at_b]
    over_images = nats.std(ddof=1) / math.sqrt(num) if num > 1 else math.nan
    has_common_noise = ours.seed is not None and _draws(ours) == _draws(theirs)
    if has_common_noise:
        first, second = a.halves[:, at_a] - b.halves[:, at_b]
        over_draws = known(
            math.sqrt(np.sum(np.square(first - second)) / 4) / num / a.nats_per_unit
        )
    elif ours.stderr is None or theirs.stderr is None:
        over_draws = None
    else:
        over_draws = math.hypot(ours.stderr, theirs.stderr)
    return Difference(
        bits_per_dim=known(nats.mean() / a.nats_per_unit),
        stderr=over_draws,
        stderr_images=known(over_images / a.nats_per_unit),
        num_images=num,
        has_common_noise=has_common_noise,
    )


def _draws(result: Result) -> tuple[Any, ...]:
    """All that determines the noise of an image."""
    options = result.convention.get("options", {})
    drawn = {name: options[name] for name in options if name not in NOT_DRAWING}
    return result.seed, result.num_draws, drawn
