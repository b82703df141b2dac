"""Batches as a function of the step, by Grain.

The stream of training examples is one permutation of the source after another, each of
them a function of (seed, epoch). Global batch n is its positions n B to (n+1) B - 1, so
that batches run on over the end of an epoch and no example is dropped; process p of P
reads the p-th of P equal parts of it. What a transform draws for an example it draws
from (seed, epoch, example). Nothing depends on what was read before: to resume, ask for
the next batch.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import grain
import numpy as np

from ddpm_jax.core.errors import ConfigError, as_config_errors
from ddpm_jax.data.identity import Identity
from ddpm_jax.data.source import (
    Example,
    Source,
    class_names,
    known_density,
    pixel_dtype,
)

Batch = Mapping[str, np.ndarray]
Transform = Callable[[Example, np.random.Generator], Example]
# Streams of random bits from a run's seed; their numbers are part of a run's identity.
SHUFFLE, AUGMENT = 0, 1


def augmentation(flip: bool, rotate: bool) -> Transform:
    """A transform that mirrors half of the images left to right and turns half of them.

    A turn is one of 90, 180 or 270 degrees, each as likely. The example's "augmented" says
    whether anything was done to it.
    """

    def augment(example: Example, generator: np.random.Generator) -> Example:
        flips = flip and generator.random() < 0.5
        turns = (
            int(generator.integers(1, 4)) if rotate and generator.random() < 0.5 else 0
        )
        image = example["image"][:, ::-1] if flips else example["image"]
        return {
            "image": np.rot90(image, turns),
            "label": example["label"],
            "augmented": flips or turns > 0,
        }

    return augment


class Batches:
    """One process's batches by number; iterating over them reads a few ahead."""

    def __init__(self, read: Callable[[int], Batch], num_batches: int) -> None:
        self.dataset = grain.MapDataset.range(num_batches).map(read)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Batch:
        return self.dataset[range(len(self))[number]]

    def __iter__(self) -> Iterator[Batch]:
        return iterate(self)


def train_batches(
    source: Source,
    *,
    seed: int,
    batch_size: int,
    flip: bool = False,
    rotate: bool = False,
    flag: bool = False,
    transforms: Sequence[Transform] = (),
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Endless batches of the source in shuffled order.

    Args:
      source: at least one example; it may have fewer than a batch.
      seed: seed of the order and of the transforms' random numbers.
      batch_size: examples in a global batch.
      flip: whether to mirror an image half of the times it is seen.
      rotate: whether to turn it by 90, 180 or 270 degrees half of the times.
      flag: whether batches say which examples were flipped or turned.
      transforms: applied after these, in order; each keeps the image's shape.
      process_index: number of this process.
      process_count: number of processes.

    Returns:
      Batches of this process: image [local, height, width, channels] of uint8, or of
      float32 if the data are continuous; label int32 [local], and position int32 [local],
      the place of each in the global batch; with `flag` also augmented float32 [local], 0
      or 1.
    """
    if flip or rotate:
        transforms = (augmentation(flip, rotate), *transforms)
    num_examples = len(source)
    local = _local_positions("data", batch_size, process_index, process_count)

    def example(position: int) -> Example:
        epoch, place = divmod(position, num_examples)
        index = int(_permutation(seed, epoch, num_examples)[place])
        augmented = _read(source, index)
        if transforms:
            generator = np.random.Generator(_bits(seed, AUGMENT, epoch, index))
            for transform in transforms:
                # Entries that a transform does not return stay, such as "augmented".
                augmented = {**augmented, **transform(augmented, generator)}
        return augmented

    def read(number: int) -> Batch:
        examples = [example(number * batch_size + i) for i in local]
        batch = _stack(examples) | {"position": np.array(local, np.int32)}
        if flag:
            flags = [example.get("augmented", False) for example in examples]
            batch["augmented"] = np.array(flags, np.float32)
        return batch

    return Batches(read, sys.maxsize // batch_size)


def eval_batches(
    source: Source,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """The batches of one pass: every example once, in order, with padding at the end.

    All processes get the same number of batches, of the same size.

    Args:
      source: at least one example.
      batch_size: examples in a global batch.
      process_index: number of this process.
      process_count: number of processes.

    Returns:
      Batches of this process: image and label as in `train_batches`, index int32 [local]
      of each example in the source, and mask bool [local], False where the last batch is
      filled up with images of zeros.
    """
    num_examples = len(source)
    local = _local_positions("eval", batch_size, process_index, process_count)
    dtype = pixel_dtype(source.num_values)
    padding: Example = {"image": np.zeros(source.shape, dtype), "label": 0}

    def read(number: int) -> Batch:
        index = np.array(local, np.int32) + number * batch_size
        mask = index < num_examples
        examples = [
            _read(source, int(i)) if kept else padding
            for i, kept in zip(index, mask, strict=True)
        ]
        return _stack(examples) | {"index": index, "mask": mask}

    return Batches(read, -(-num_examples // batch_size))


def iterate(
    batches: Batches,
    start_step: int = 0,
    *,
    num_threads: int = 4,
    num_prefetch: int = 8,
    num_workers: int = 0,
) -> Generator[Batch]:
    """Iterates over batches in order, from `start_step` on, reading ahead.

    Args:
      batches: the batches of this process.
      start_step: number of the first batch.
      num_threads: reading threads, each on a batch of its own. Large files gain by more;
        small images in memory or on a local disk are read fastest by 1 or 2.
      num_prefetch: batches held ready, at most, by each that reads.
      num_workers: processes to read in, each with as many threads; 0: this one.

    Returns:
      An iterator; closing it stops what reads.
    """
    options = grain.ReadOptions(
        num_threads=min(num_threads, num_prefetch), prefetch_buffer_size=num_prefetch
    )
    rest = batches.dataset[start_step:].to_iter_dataset(options)
    if num_workers:
        rest = rest.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
    with contextlib.closing(iter(rest)) as iterator:
        yield from iterator


class Subset:
    """A subset of a source, in the source's order."""

    def __init__(
        self, source: Source, indices: Sequence[int], description: str
    ) -> None:
        self._source, self._indices = source, indices
        self.name, self.num_values = source.name, source.num_values
        self.shape, self.num_classes = source.shape, source.num_classes
        self.class_names = class_names(source)
        self.density = known_density(source)
        self.identity = _part_of(source.identity, description, len(indices))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int, /) -> Example:
        return self._source[self._indices[index]]


def first(source: Source, num_examples: int) -> Source:
    """The first `num_examples` of a source; itself where it has no more."""
    if num_examples >= len(source):
        return source
    return Subset(source, range(num_examples), f"the first {num_examples}")


def evenly_spaced(source: Source, num_examples: int) -> Source:
    """`num_examples` of a source, evenly spaced, or all where it has fewer."""
    num = min(num_examples, len(source))
    indices = [i * len(source) // num for i in range(num)]
    return Subset(source, indices, _evenly_spaced(num))


def evenly_spaced_identity(identity: Identity, num_examples: int) -> Identity:
    """The identity of `evenly_spaced` of a source of this identity, which need not be open."""
    num = min(num_examples, identity["num_examples"])
    return _part_of(identity, _evenly_spaced(num), num)


def _evenly_spaced(num: int) -> str:
    return f"{num} of it evenly spaced"


def _part_of(identity: Identity, description: str, num_examples: int) -> Identity:
    split = f"{identity['split']}, {description}"
    return {**identity, "split": split, "num_examples": num_examples}


def _local_positions(
    field: str, batch_size: int, process_index: int, process_count: int
) -> range:
    """The positions in a global batch that are this process's."""
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"config.{field}.batch_size = {batch_size} does not divide over"
            f" {process_count} processes: write a multiple of {process_count}."
        )
    size = batch_size // process_count
    return range(process_index * size, (process_index + 1) * size)


def _read(source: Source, index: int) -> Example:
    """Reads an example, and checks its pixel values where uint8 could hold larger ones.

    Raises:
      ConfigError: it is not as the source is.
    """
    with as_config_errors():
        example = source[index]
    last = source.num_values - 1
    if 0 <= last < 255 and (largest := int(example["image"].max())) > last:
        raise ConfigError(
            f"example {index} of config.data.name = {source.name!r} has a pixel value of"
            f" {largest}, beyond 0..{last}."
        )
    return example


def _stack(examples: Sequence[Example]) -> dict[str, np.ndarray]:
    return {
        "image": np.stack([example["image"] for example in examples]),
        "label": np.array([example["label"] for example in examples], np.int32),
    }


# A batch needs one of these, or two where an epoch ends in it.
@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, num_examples: int) -> np.ndarray:
    """The order of one epoch: the ranks of 64 random bits an example.

    Raw bits, because NumPy may change what it makes of them, as in its `permutation`.
    """
    bits = _bits(seed, SHUFFLE, epoch, 0).random_raw(num_examples)
    return np.argsort(bits, kind="stable")


def _bits(seed: int, stream: int, epoch: int, index: int) -> np.random.Philox:
    """A generator of random bits that are the same function of the arguments everywhere."""
    # Drawing moves the lowest words of the counter: no two streams ever meet.
    key = np.array([seed % 2**64, stream], np.uint64)
    counter = np.array([0, 0, index, epoch], np.uint64)
    return np.random.Philox(key=key, counter=counter)
