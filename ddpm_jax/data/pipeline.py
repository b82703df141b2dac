"""Batches as a function of the step, by Grain.

The stream of training examples is one permutation of the source after another, each of
them a function of (seed, epoch). Global batch n is its positions n B to (n+1) B - 1, so
that batches run on over the end of an epoch and no example is dropped; process p of P
reads the p-th of P equal parts of it. What a transform draws for an example it draws from
(seed, epoch, example). Nothing depends on what was read before: to resume, ask for the
next batch.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import grain
import numpy as np

from ddpm_jax.data.sources import Example, Source

Batch = Mapping[str, np.ndarray]
Transform = Callable[[Example, np.random.Generator], Example]
# Who draws from a run's seed; part of a run's identity.
SHUFFLE, AUGMENT = 0, 1


def flip_horizontally(example: Example, generator: np.random.Generator) -> Example:
    """Mirrors half of the images, left to right."""
    if generator.random() < 0.5:
        return {"image": example["image"][:, ::-1], "label": example["label"]}
    return example


@dataclasses.dataclass(frozen=True)
class Batches:
    """Batches by number; a few are read ahead in threads where they are iterated over."""

    dataset: grain.MapDataset[Batch]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, step: int) -> Batch:
        return self.dataset[step]

    def __iter__(self) -> Iterator[Batch]:
        return iterate(self)


def train_batches(
    source: Source,
    *,
    seed: int,
    batch_size: int,
    flip: bool = False,
    transforms: Sequence[Transform] = (),
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Shuffled batches without end.

    Args:
      source: at least one example; it may have fewer than a batch.
      seed: of the order and of what transforms draw.
      batch_size: global.
      flip: mirror an image half of the times it is seen.
      transforms: applied after the flip, in order; each keeps the image's shape.
      process_index: this process.
      process_count: of all.

    Returns:
      Batches of this process: image uint8 [local, height, width, channels], label int32
      [local], and position int32 [local], the place of each in the global batch.
    """
    transforms = (flip_horizontally, *transforms) if flip else tuple(transforms)
    num_examples = len(source)

    def load(stream_position: int, index: int) -> dict[str, Any]:
        example = source[index]
        if transforms:
            generator = _generator(seed, stream_position // num_examples, index)
            for transform in transforms:
                example = transform(example, generator)
        return {
            "image": example["image"],
            "label": np.int32(example["label"]),
            "position": np.int32(stream_position % batch_size),
        }

    stream = (
        grain.MapDataset.range(num_examples)
        .shuffle(seed=_shuffle_seed(seed))
        .repeat()
        .map_with_index(load)
    )
    return _cut(stream, "data", batch_size, process_index, process_count)


def eval_batches(
    source: Source,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Every example once and in order; as many batches, and as large, in each process.

    Args:
      source: at least one example.
      batch_size: global.
      process_index: this process.
      process_count: of all.

    Returns:
      Batches of this process: image uint8 [local, height, width, channels], label int32
      [local], index int32 [local] of each example in the source, and mask bool [local],
      False where the last batch is filled up with black images.
    """
    num_examples = len(source)
    num_padded = -(-num_examples // batch_size) * batch_size
    padding: Example = {"image": np.zeros(source.shape, np.uint8), "label": 0}

    def load(index: int) -> dict[str, Any]:
        example = source[index] if index < num_examples else padding
        return {
            "image": example["image"],
            "label": np.int32(example["label"]),
            "index": np.int32(index),
            "mask": np.bool_(index < num_examples),
        }

    examples = grain.MapDataset.range(num_padded).map(load)
    return _cut(examples, "eval", batch_size, process_index, process_count)


def iterate(
    batches: Batches, start_step: int = 0, num_threads: int = 4, num_prefetch: int = 8
) -> Generator[Batch]:
    """Batches from `start_step` on, in order, read ahead.

    Args:
      batches: of this process.
      start_step: number of the first.
      num_threads: that read, a batch each. Decoding large files gains by more of them; small
        images in memory or on a local disk are read fastest by 1 or 2.
      num_prefetch: batches held ready, at most.

    Returns:
      An iterator; closing it stops the threads.
    """
    options = grain.ReadOptions(
        num_threads=min(num_threads, num_prefetch), prefetch_buffer_size=num_prefetch
    )
    rest = batches.dataset[start_step:].to_iter_dataset(options)
    with contextlib.closing(iter(rest)) as iterator:
        yield from iterator


class First:
    """The first examples of a source, at most `num_examples`."""

    def __init__(self, source: Source, num_examples: int) -> None:
        self._source, self._length = source, min(num_examples, len(source))
        self.name, self.num_values = source.name, source.num_values
        self.shape = source.shape
        self.identity: Mapping[str, Any] = {
            **source.identity,
            "split": f"{source.identity['split']}, the first {self._length}",
            "num_examples": self._length,
        }

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> Example:
        return self._source[range(self._length)[index]]


def first(source: Source, num_examples: int) -> First:
    """The first `num_examples` of a source, or all where it has fewer."""
    return First(source, num_examples)


def _cut(
    examples: grain.MapDataset[Any],
    field: str,
    batch_size: int,
    process_index: int,
    process_count: int,
) -> Batches:
    """Every process_count-th of the batches of batch_size / process_count examples."""
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"config.{field}.batch_size = {batch_size} does not divide over"
            f" {process_count} processes: write a multiple of {process_count}."
        )
    local = examples.batch(batch_size // process_count)
    return Batches(local[process_index::process_count])


def _generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Random numbers of one example in one epoch, alike on every machine."""
    # A draw moves the lowest word of the counter: no two examples' draws meet.
    key = np.array([seed % 2**64, AUGMENT], np.uint64)
    counter = np.array([0, 0, index, epoch], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _shuffle_seed(seed: int) -> int:
    """Grain adds the epoch to its seed: neighbouring seeds would share permutations."""
    return int(np.random.SeedSequence([seed % 2**64, SHUFFLE]).generate_state(1)[0])
