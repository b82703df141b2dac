"""Batches as a function of (seed, step): order, coverage, flips, processes, resume."""

import gc
import math
import subprocess
import sys
import threading
import time
from typing import ClassVar

import numpy as np
import pytest

from ddpm_jax.data import pipeline, point_distributions, table
from ddpm_jax.data.point_shapes import PointsOptions


def numbers(batch):
    """The examples of a batch of `CountingSource`, flipped or not."""
    return np.minimum(batch["image"][:, 0, 0, 0], batch["image"][:, 0, 3, 0])


def is_flipped(batch):
    return batch["image"][:, 0, 0, 0] > batch["image"][:, 0, 3, 0]


def assert_equal(batch, other):
    assert batch.keys() == other.keys()
    for name in batch:
        assert batch[name].dtype == other[name].dtype
        np.testing.assert_array_equal(batch[name], other[name])


def stream(batches, num_batches):
    return np.concatenate([numbers(batches[n]) for n in range(num_batches)])


@pytest.mark.parametrize(("length", "batch_size"), [(10, 4), (7, 7), (3, 8), (1, 2)])
def test_each_epoch_is_a_permutation(counting, length, batch_size):
    batches = pipeline.train_batches(counting(length), seed=0, batch_size=batch_size)
    seen = stream(batches, 6 * length)[: 6 * batch_size * length // length * length]
    epochs = seen[: len(seen) // length * length].reshape(-1, length)
    assert len(epochs) >= 6
    np.testing.assert_array_equal(
        np.sort(epochs), np.broadcast_to(np.arange(length), epochs.shape)
    )


def test_epochs_and_seeds_differ(counting):
    """Two orders of 100 agree with probability 1/100!; one fixed shift of them too."""
    orders = {}
    for seed in (0, 1, -1, 2**40):
        batches = pipeline.train_batches(counting(100), seed=seed, batch_size=100)
        for epoch in range(4):
            orders[seed, epoch] = tuple(numbers(batches[epoch]))
    assert len(set(orders.values())) == len(orders)
    assert tuple(range(100)) not in orders.values()


def test_the_order_is_that_of_other_days(counting):
    """Nothing but the seed goes in: a new version that changed this would lose runs."""
    batches = pipeline.train_batches(counting(8), seed=3, batch_size=8, flip=True)
    found = [(int(i), bool(f)) for i, f in zip(*_both(batches[1]), strict=True)]
    assert found == GOLDEN


def _both(batch):
    return numbers(batch), is_flipped(batch)


# Example and whether it is flipped, in order.
GOLDEN = [
    (3, True),
    (1, False),
    (6, False),
    (7, False),
    (4, True),
    (2, True),
    (0, True),
    (5, True),
]


@pytest.mark.parametrize("length", [23, 5])
def test_four_processes_read_what_one_reads(counting, length):
    options = dict(seed=1, batch_size=8, flip=True)
    whole = pipeline.train_batches(counting(length), **options)
    parts = [
        pipeline.train_batches(
            counting(length), **options, process_index=p, process_count=4
        )
        for p in range(4)
    ]
    for n in (0, 1, 2, 9):
        read = [part[n] for part in parts]
        joined = {
            name: np.concatenate([batch[name] for batch in read]) for name in whole[n]
        }
        assert_equal(joined, whole[n])
        np.testing.assert_array_equal(whole[n]["position"], np.arange(8))


def test_a_batch_reads_its_own_examples_alone(counting):
    source = counting(150)
    batches = pipeline.train_batches(
        source, seed=0, batch_size=8, process_index=1, process_count=2
    )
    assert source.reads == []
    batch = batches[10**9]
    assert source.reads == list(numbers(batch))
    assert len(source.reads) == 4


def test_shapes_and_types(counting):
    batch = pipeline.train_batches(counting(9), seed=0, batch_size=6)[2]
    assert {name: (a.shape, a.dtype) for name, a in batch.items()} == {
        "image": ((6, 2, 4, 1), np.uint8),
        "label": ((6,), np.int32),
        "position": ((6,), np.int32),
    }
    np.testing.assert_array_equal(batch["label"], numbers(batch) % 7)


def test_flips_are_of_seed_epoch_and_example(counting):
    """Whatever the batch size, hence position, the same ones are flipped."""

    def flips(seed, batch_size):
        batches = pipeline.train_batches(
            counting(60), seed=seed, batch_size=batch_size, flip=True
        )
        found = {}
        for n in range(240 // batch_size):
            for place, (i, flipped) in enumerate(zip(*_both(batches[n]), strict=True)):
                found[(n * batch_size + place) // 60, int(i)] = bool(flipped)
        return found

    found = flips(0, 8)
    assert flips(0, 48) == found
    other = flips(1, 8)
    assert sum(other[k] != found[k] for k in found) > 60
    epochs = [[found[epoch, i] for i in range(60)] for epoch in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_flips_are_fair(counting):
    """Of 10,000 flips within 5 standard deviations of half: false alarm 6e-7.

    Of 100 examples over 100 epochs each within 6: false alarm 2e-7.
    """
    batches = pipeline.train_batches(counting(100), seed=0, batch_size=100, flip=True)
    flipped = np.zeros((100, 100), bool)
    for epoch in range(100):
        examples, flips = _both(batches[epoch])
        flipped[epoch, examples] = flips
    assert abs(flipped.sum() - 5_000) < 5 * math.sqrt(10_000 / 4)
    for axis in (0, 1):
        assert np.abs(flipped.sum(axis) - 50).max() < 6 * math.sqrt(100 / 4)


def test_no_flip_unless_asked_for(counting):
    batches = pipeline.train_batches(counting(50), seed=0, batch_size=50)
    assert not is_flipped(batches[0]).any()


def test_transforms_draw_from_example_and_epoch(counting):
    def tag(example, generator):
        return {"image": example["image"], "label": int(generator.integers(2**31))}

    def tags(batch_size, epoch):
        batches = pipeline.train_batches(
            counting(12), seed=5, batch_size=batch_size, transforms=[tag]
        )
        found = {}
        for n in range(12 * epoch // batch_size, 12 * (epoch + 1) // batch_size):
            found |= dict(zip(numbers(batches[n]), batches[n]["label"], strict=True))
        return found

    assert tags(3, epoch=1) == tags(12, epoch=1)
    assert len(set(tags(12, 1).values()) | set(tags(12, 2).values())) == 24


@pytest.mark.parametrize("num_threads", [1, 5])
def test_iteration_goes_on_where_it_stopped(counting, num_threads):
    batches = pipeline.train_batches(counting(11), seed=0, batch_size=4, flip=True)
    rest = pipeline.iterate(batches, 7, num_threads=num_threads, num_prefetch=3)
    for n in range(7, 20):
        assert_equal(next(rest), batches[n])
    rest.close()


def test_iteration_in_another_process_reads_the_same():
    """In a program of its own: functions under run-time type checks cannot be sent."""
    program = """
from absl import flags
from ddpm_jax.data import pipeline, point_distributions, table
from ddpm_jax.data.point_shapes import PointsOptions
flags.FLAGS([""])
source = table.make("digits", "test")
batches = pipeline.train_batches(source, seed=0, batch_size=32, flip=True)
rest = pipeline.iterate(batches, 5, num_threads=1, num_workers=1)
print(all((next(rest)["image"] == batches[n]["image"]).all() for n in range(5, 8)))
rest.close()
"""
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "True"


def test_closing_stops_the_threads(counting):
    before = set(threading.enumerate())
    batches = pipeline.train_batches(counting(11), seed=0, batch_size=4)
    rest = pipeline.iterate(batches, num_threads=4, num_prefetch=8)
    next(rest)
    started = set(threading.enumerate()) - before
    assert started
    rest.close()
    for thread in started:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_no_more_is_read_ahead_than_asked_for(counting):
    source = counting(150)
    batches = pipeline.train_batches(source, seed=0, batch_size=4)
    rest = pipeline.iterate(batches, num_threads=2, num_prefetch=3)
    next(rest)
    time.sleep(0.2)
    assert len(source.reads) <= 4 * (1 + 3)
    rest.close()
    gc.collect()


def test_an_error_in_a_thread_reaches_the_reader(counting):
    class Broken(type(counting(1))):
        def __getitem__(self, index, /):
            raise ValueError("image 3 cannot be read")

    batches = pipeline.train_batches(Broken(5), seed=0, batch_size=2)
    with pytest.raises(ValueError, match="image 3 cannot be read"):
        next(pipeline.iterate(batches))


@pytest.mark.parametrize(("length", "num_batches"), [(10, 2), (16, 2), (17, 3), (1, 1)])
@pytest.mark.parametrize("process_count", [1, 4])
def test_evaluation_reads_every_example_once(
    counting, length, num_batches, process_count
):
    parts = [
        pipeline.eval_batches(
            counting(length), batch_size=8, process_index=p, process_count=process_count
        )
        for p in range(process_count)
    ]
    assert [len(part) for part in parts] == process_count * [num_batches]
    seen = []
    for n in range(num_batches):
        for part in parts:
            batch = part[n]
            assert batch["image"].shape == (8 // process_count, 2, 4, 1)
            assert batch["index"].dtype == batch["label"].dtype == np.int32
            kept = batch["mask"]
            np.testing.assert_array_equal(numbers(batch)[kept], batch["index"][kept])
            np.testing.assert_array_equal(
                batch["label"][kept], batch["index"][kept] % 7
            )
            assert not batch["image"][~kept].any()
            seen += list(batch["index"][kept])
    assert seen == list(range(length))


def test_evaluation_can_be_iterated_over_twice(counting):
    batches = pipeline.eval_batches(counting(10), batch_size=4)
    for _ in range(2):
        assert sum(int(batch["mask"].sum()) for batch in batches) == 10
    assert sum(1 for _ in pipeline.iterate(batches)) == 3


def test_the_first_examples(counting):
    source = pipeline.first(counting(10), 4)
    assert len(source) == source.identity["num_examples"] == 4
    assert source.identity["split"] == "train, the first 4"
    assert [source[i]["label"] for i in range(4)] == [0, 1, 2, 3]
    with pytest.raises(IndexError):
        source[4]
    assert len(pipeline.first(counting(10), 99)) == 10


@pytest.mark.parametrize(("length", "num"), [(10, 7), (10, 3), (10, 10), (150, 100)])
def test_spaced_examples_reach_all_over_a_source(counting, length, num):
    whole = counting(length)
    source = pipeline.evenly_spaced(whole, num)
    labels = [source[i]["label"] for i in range(num)]
    places = whole.reads
    assert labels == [place % 7 for place in places]
    assert len(source) == source.identity["num_examples"] == num
    assert source.identity["split"] == f"train, {num} of it evenly spaced"
    gaps = np.diff([*places, length])
    # From the first on to the end, each gap the same but for rounding.
    assert places[0] == 0 and gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda s, **kw: pipeline.train_batches(s, seed=0, **kw), "data"),
        (pipeline.eval_batches, "eval"),
    ],
)
def test_a_batch_divides_over_the_processes(counting, make, field):
    message = (
        f"config.{field}.batch_size = 10 .* over 4 processes: write a multiple of 4"
    )
    with pytest.raises(ValueError, match=message):
        make(counting(5), batch_size=10, process_index=0, process_count=4)


class Lopsided:
    """Squares without symmetry: no flip and no turn leaves one as it is, or as another."""

    name, num_values, num_classes, shape = "lopsided", 256, 0, (3, 3, 1)

    def __init__(self, length):
        self._length = length
        self.identity = {"name": "lopsided", "split": "train", "num_examples": length}

    def __len__(self):
        return self._length

    def __getitem__(self, index, /):
        pixels = np.arange(9, dtype=np.uint8) + np.uint8(index % 200)
        return {"image": pixels.reshape(self.shape), "label": index}


def turned(image):
    """The eight ways to show a square, by (flipped, quarter turns anticlockwise)."""
    found = {}
    for flipped in (False, True):
        side = len(image)
        shown = np.array([row[::-1] for row in image]) if flipped else image
        for turns in range(4):
            found[flipped, turns] = shown
            shown = np.array(
                [[shown[j, side - 1 - i] for j in range(side)] for i in range(side)]
            )
    return found


def shown_as(batch, length):
    """Which of the eight ways each image of a batch of `Lopsided` is."""
    source, found = Lopsided(length), []
    for image, label in zip(batch["image"], batch["label"], strict=True):
        ways = turned(source[int(label)]["image"])
        (way,) = [way for way, shown in ways.items() if np.array_equal(shown, image)]
        found.append(way)
    return found


AUGMENTATIONS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("flip", "rotate"), AUGMENTATIONS)
def test_the_flag_tells_which_images_are_not_the_sources(flip, rotate):
    batches = pipeline.train_batches(
        Lopsided(60), seed=0, batch_size=60, flip=flip, rotate=rotate, flag=True
    )
    seen = set()
    for n in range(4):
        batch = batches[n]
        assert batch["augmented"].dtype == np.float32
        assert batch["augmented"].shape == (60,)
        ways = shown_as(batch, 60)
        seen |= set(ways)
        np.testing.assert_array_equal(
            batch["augmented"], [float(way != (False, 0)) for way in ways]
        )
    turns = range(4) if rotate else range(1)
    flips = (False, True) if flip else (False,)
    # 240 images miss one of the six ways of probability 1/12: false alarm 5e-9.
    assert seen == {(flipped, turn) for flipped in flips for turn in turns}


@pytest.mark.parametrize(("flip", "rotate"), AUGMENTATIONS)
def test_no_flag_unless_asked_for(flip, rotate):
    options = dict(seed=0, batch_size=8, flip=flip, rotate=rotate)
    plain = pipeline.train_batches(Lopsided(8), **options)[1]
    assert plain.keys() == {"image", "label", "position"}
    flagged = dict(pipeline.train_batches(Lopsided(8), **options, flag=True)[1])
    del flagged["augmented"]
    # Nor does asking change an image.
    assert_equal(flagged, plain)


def test_flips_and_turns_are_as_frequent_as_they_should_be():
    """Each of 9 counts is within 5 standard errors: false alarm 5e-6."""
    num = 6_000
    batches = pipeline.train_batches(
        Lopsided(200), seed=0, batch_size=200, flip=True, rotate=True, flag=True
    )
    counts, num_augmented = {}, 0.0
    for n in range(num // 200):
        batch = batches[n]
        num_augmented += batch["augmented"].sum()
        for way in shown_as(batch, 200):
            counts[way] = counts.get(way, 0) + 1
    # Half are flipped; half are turned, by each angle alike.
    shares = {
        (flipped, turns): 0.5 * (0.5 if turns == 0 else 0.5 / 3)
        for flipped in (False, True)
        for turns in range(4)
    }
    assert counts.keys() == shares.keys()
    for way, share in shares.items():
        error = math.sqrt(num * share * (1.0 - share))
        assert abs(counts[way] - num * share) < 5 * error, way
    assert abs(num_augmented - 0.75 * num) < 5 * math.sqrt(num * 3 / 16)


@pytest.mark.parametrize("rotate", [False, True])
def test_augmentation_is_of_seed_epoch_and_example(rotate):
    """Whatever the batch size, hence position."""

    def ways(seed, batch_size):
        batches = pipeline.train_batches(
            Lopsided(60), seed=seed, batch_size=batch_size, flip=True, rotate=rotate
        )
        found = {}
        for n in range(240 // batch_size):
            labels = batches[n]["label"]
            for place, way in enumerate(shown_as(batches[n], 60)):
                epoch = (n * batch_size + place) // 60
                found[epoch, int(labels[place])] = way
        return found

    found = ways(0, 8)
    assert len(found) == 240 and ways(0, 48) == found
    other = ways(1, 8)
    assert sum(other[k] != found[k] for k in found) > 60
    assert len({tuple(found[epoch, i] for i in range(60)) for epoch in range(4)}) == 4


def test_four_processes_augment_and_flag_as_one_does():
    options = dict(seed=1, batch_size=8, flip=True, rotate=True, flag=True)
    whole = pipeline.train_batches(Lopsided(23), **options)
    parts = [
        pipeline.train_batches(
            Lopsided(23), **options, process_index=p, process_count=4
        )
        for p in range(4)
    ]
    for n in (0, 1, 9):
        read = [part[n] for part in parts]
        assert_equal(
            {name: np.concatenate([batch[name] for batch in read]) for name in read[0]},
            whole[n],
        )


def test_augmented_iteration_goes_on_where_it_stopped():
    options = dict(seed=0, batch_size=4, flip=True, rotate=True, flag=True)
    batches = pipeline.train_batches(Lopsided(11), **options)
    rest = pipeline.iterate(batches, 7, num_threads=2, num_prefetch=3)
    fresh = pipeline.train_batches(Lopsided(11), **options)
    for n in range(7, 15):
        assert_equal(next(rest), fresh[n])
    rest.close()


class Bright:
    """Two images of a data set of 17 values, the second with a pixel too bright."""

    name, num_values, num_classes, shape = "bright", 17, 0, (2, 2, 1)
    identity: ClassVar[dict[str, str]] = {"split": "none"}

    def __len__(self):
        return 2

    def __getitem__(self, index, /):
        return {"image": np.full(self.shape, 16 + 4 * index, np.uint8), "label": 0}


@pytest.mark.parametrize("batches", [pipeline.eval_batches, pipeline.train_batches])
def test_a_pixel_beyond_the_values_there_are_is_named(batches):
    seed = {"seed": 0} if batches is pipeline.train_batches else {}
    with pytest.raises(ValueError, match=r"example 1 .*'bright' .* 20, beyond 0\.\.16"):
        batches(Bright(), batch_size=2, **seed)[0]


def test_a_part_has_the_classes_of_the_whole():
    whole = table.make("digits", "test")
    for part in (pipeline.first(whole, 7), pipeline.evenly_spaced(whole, 7)):
        assert len(part) == 7 and part.num_classes == 10


@pytest.mark.parametrize("length, num", [(10, 3), (10, 4), (97, 10), (7, 7), (5, 9)])
def test_spaced_examples_are_one_of_each_part_from_the_first_to_the_tail(
    counting, length, num
):
    source = pipeline.evenly_spaced(counting(length), num)
    num = min(num, length)
    assert len(source) == source.identity["num_examples"] == num
    assert source.identity["split"] == f"train, {num} of it evenly spaced"
    places = np.array([int(source[i]["image"][0, 0, 0]) for i in range(num)])
    assert places[0] == 0 and len(set(places)) == num
    # Of `num` parts of one length, each has one: the last is no further from the end.
    np.testing.assert_array_equal(-(-places * num // length), np.arange(num))
    assert length - places[-1] <= -(-length // num)
    with pytest.raises(IndexError):
        source[num]


def test_the_identity_of_a_part_is_known_without_its_source(counting):
    for length, num in ((10, 4), (3, 4)):
        source = counting(length)
        part = pipeline.evenly_spaced(source, num)
        assert pipeline.evenly_spaced_identity(source.identity, num) == part.identity


def test_points_are_batched_as_real_numbers_with_padding_of_zeros():
    points = table.make("points:moons", "test", options=PointsOptions(num_test=5))
    first, last = pipeline.eval_batches(points, batch_size=3)
    np.testing.assert_array_equal(first["image"][:, 0, 0], points.points[:3])
    assert last["image"].dtype == np.float32 and not last["image"][2].any()
    np.testing.assert_array_equal(last["mask"], [True, True, False])
    batch = pipeline.train_batches(points, seed=0, batch_size=10)[0]
    assert batch["image"].dtype == np.float32
    drawn = batch["image"][:, 0, 0]
    for half in (drawn[:5], drawn[5:]):
        np.testing.assert_array_equal(
            np.sort(half, axis=0), np.sort(points.points, axis=0)
        )


def test_a_batch_of_padding_alone_is_of_real_numbers_too():
    points = table.make("points:moons", "test", options=PointsOptions(num_test=3))
    second = {"process_index": 1, "process_count": 2}
    (batch,) = pipeline.eval_batches(points, batch_size=8, **second)
    assert not batch["mask"].any() and batch["image"].dtype == np.float32


def test_points_and_their_order_have_streams_of_their_own():
    p = point_distributions
    streams = [pipeline.SHUFFLE, pipeline.AUGMENT, p.TRAIN, p.TEST, p.FRESH, p.ENTROPY]
    assert len(set(streams)) == 6
