"""Linear constraints: models of images whose means over blocks are known.

A block of one pixel and one channel is a known pixel (inpainting), one over the channels of a
pixel its grey (colourisation, as Song et al. 2021, arXiv:2011.13456, appendix
I.3), one over n x n pixels a pixel of a smaller image (super-resolution). In all of them the
nearest x that satisfies A x = y is x + A^+ (y - A x), with the known part in the range of A^+
and the model's in the null space of A (DDNM, Wang et al. 2022, arXiv:2212.00490); and as blocks
are disjoint, A^+ only spreads a number over its block.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt8

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import predictions
from ddpm_jax.diffusion.process.gaussian import Images

Block = tuple[int, int, int]
Means = Float[Array, "examples rows columns groups"]
# The number of bisections of a shift, to float64's rounding.
NUM_HALVINGS = 64


def block_means(x: Images, block: Block) -> Means:
    """The means over disjoint blocks of `block` rows, columns and channels.

    Raises:
      ValueError: block does not divide the images.
    """
    return jnp.mean(_in_blocks(x, block), axis=-1)


@dataclasses.dataclass(frozen=True)
class BlockMeans:
    """A constraint: the means over blocks of an image, some of them known.

    Attributes:
      block: rows, columns and channels of a block.
      values: the means; those of a single example hold for all.
      known: whether each mean is known; values of the others are ignored.
    """

    block: Block
    values: Means
    known: Bool[Array, "examples rows columns groups"]

    def __post_init__(self) -> None:
        if min(self.block) < 1:
            raise ValueError(f"block = {self.block}: write three numbers, 1 or more.")

    def measure(self, x: Images) -> Float[Array, "batch rows columns groups"]:
        """The means of x over the blocks.

        Raises:
          ValueError: x has not as many blocks as there are values.
        """
        means = block_means(x, self.block)
        if means.shape[1:] != self.values.shape[1:]:
            raise ValueError(
                f"values of shape {self.values.shape[1:]} are not those of images of "
                f"{x.shape[1:]} in blocks of {self.block}: write {means.shape[1:]}."
            )
        return means

    def impose(self, x: Images) -> Images:
        """The nearest images that satisfy the constraint: an orthogonal projection."""
        missing = jnp.where(self.known, self.values - self.measure(x), 0.0)
        return x + _spread(missing, self.block)

    def take(self, numbers: Int[Array, " some"]) -> "BlockMeans":
        """The constraint for these examples of the batch alone."""
        if self.values.shape[0] == 1:
            return self
        return BlockMeans(self.block, self.values[numbers], self.known[numbers])


def inpainting(
    x: Images, painted: Bool[Array, "#batch height width #channels"]
) -> BlockMeans:
    """The constraint of inpainting: pixels of x are known except where `painted` is True."""
    return BlockMeans((1, 1, 1), x, jnp.broadcast_to(~painted, x.shape))


def colorization(
    grey: Float[Array, "batch height width 1"], num_channels: int = 3
) -> BlockMeans:
    """The constraint of colourisation: the mean over each pixel's channels is known."""
    return BlockMeans((1, 1, num_channels), grey, jnp.ones(grey.shape, bool))


def super_resolution(small: Images, factor: int) -> BlockMeans:
    """The constraint of super-resolution: means over `factor` x `factor` pixels are known."""
    return BlockMeans((factor, factor, 1), small, jnp.ones(small.shape, bool))


def constrained(constraint: BlockMeans) -> Callable[[Diffusion], Diffusion]:
    """A function that makes a model whose x_hat satisfies the constraint, in units of x.

    The known part of z then goes from z_t to z_s by q(z_s | z_t, x) with the true x: by
    ancestral sampling, or DDIM of any eta, it is a draw of the forward process read
    backwards. That is the replacement method (Song et al. 2021, arXiv:2011.13456, appendix
    I.2) with noise that is consistent in time.

    The unknown part is not drawn from the exact conditional distribution: the known part of z_t
    does not depend on the unknown part. Resampling corrects much of it (`samplers/repaint.py`).
    """

    def change(model: Diffusion, constraint: BlockMeans) -> Diffusion:
        def denoise(z_t: Array, t: Array) -> Prediction:
            prediction = model.denoise(z_t, t)
            x = constraint.impose(prediction.x)
            return predictions.with_x(prediction, x, model.log_snr(t))

        def for_examples(numbers: Array) -> Diffusion:
            return change(model.take(numbers), constraint.take(numbers))

        same_for_all = model.for_examples is None and constraint.values.shape[0] == 1
        return Diffusion(model.log_snr, denoise, None if same_for_all else for_examples)

    return lambda diffusion: change(diffusion, constraint)


def settle(
    x: Images, constraint: BlockMeans, num_values: int
) -> UInt8[Array, "batch height width channels"]:
    """The nearest pixel values 0..V-1 that satisfy the constraint exactly.

    Each block is first shifted by the number that makes its sum right when clipped to [0, V-1],
    then rounded down, and the missing units go to its largest fractions. Blocks whose mean is
    not known are rounded and clipped.

    Args:
      x: images in units of pixel values.
      constraint: constraint in the same units; a known mean times its block's size must be
        a whole number. Means outside of [0, V-1] are clipped.
      num_values: number V of pixel values.
    """
    constraint.measure(x)
    values = _in_blocks(x, constraint.block)
    last, size = num_values - 1, values.shape[-1]
    sums = jnp.round(constraint.values * size).astype(jnp.int32)
    sums = jnp.broadcast_to(jnp.clip(sums, 0, last * size), values.shape[:-1])
    known = jnp.broadcast_to(constraint.known, values.shape[:-1])
    whole = _apportioned(_shifted(values, sums, last), sums)
    rounded = jnp.clip(jnp.round(values), 0, last).astype(jnp.int32)
    pixels = jnp.where(known[..., None], whole, rounded)
    return _from_blocks(pixels, constraint.block).astype(jnp.uint8)


def _shifted(values: Array, sums: Array, last: int) -> Array:
    """clip(values + shift, 0, last), with the shift of each block that makes its sum right."""

    def at(shift: Array) -> Array:
        return jnp.clip(values + shift[..., None], 0, last)

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        above = jnp.sum(at(middle), axis=-1) > sums
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # The shifts that clip all of a block to 0, and all to the last value.
    ends = (-jnp.max(values, axis=-1), last - jnp.min(values, axis=-1))
    low, high = lax.fori_loop(0, NUM_HALVINGS, halve, ends)
    return at(0.5 * (low + high))


def _apportioned(real: Array, sums: Array) -> Array:
    """Whole numbers next to real ones with given sums, by the largest remainder method.

    Only numbers with a fraction are moved up, so none leaves the range: there are more of
    them than units to give, which are the sum of all fractions.
    """
    floor = jnp.floor(real)
    order = jnp.argsort(floor - real, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    whole = floor.astype(jnp.int32)
    units = sums - jnp.sum(whole, axis=-1)
    return whole + (rank < units[..., None])


def _in_blocks(x: Array, block: Block) -> Array:
    """Images as blocks, [batch, rows, columns, groups, elements of a block]."""
    batch, *sizes = x.shape
    if any(size % step for size, step in zip(sizes, block, strict=True)):
        raise ValueError(
            f"block = {block} does not divide images of {tuple(sizes)}: "
            "write a divisor of each."
        )
    split = [
        n for size, step in zip(sizes, block, strict=True) for n in _split(size, step)
    ]
    blocks = x.reshape(batch, *split).transpose(0, 1, 3, 5, 2, 4, 6)
    return blocks.reshape(*blocks.shape[:4], -1)


def _split(size: int, step: int) -> tuple[int, int]:
    return size // step, step


def _from_blocks(blocks: Array, block: Block) -> Array:
    """The inverse of `_in_blocks`."""
    batch, rows, columns, groups, _ = blocks.shape
    split = blocks.reshape(batch, rows, columns, groups, *block)
    height, width, channels = rows * block[0], columns * block[1], groups * block[2]
    return split.transpose(0, 1, 4, 2, 5, 3, 6).reshape(batch, height, width, channels)


def _spread(means: Array, block: Block) -> Array:
    """The means, each repeated over its block."""
    for axis, times in enumerate(block, start=1):
        means = jnp.repeat(means, times, axis=axis)
    return means
