import errno
import json

import numpy as np
import pytest
from etils import epath

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import shards

SHAPE = (4, 5, 3)
IDENTITY = {
    "step": 900,
    "weights": "ema",
    "config.sample.ddim.eta": 0.0,
    "ends": (1, 2),
}
BOTH = pytest.mark.parametrize("form", ["npz", "png"])


def images(num, num_values=17, shape=SHAPE):
    """Each a function of its number alone."""
    size = int(np.prod(shape))
    pixels = [
        np.random.default_rng(j).integers(0, num_values, size) for j in range(num)
    ]
    return np.array(pixels, np.uint8).reshape(num, *shape)


def opened(path, num=23, form="npz", identity=IDENTITY, **changes):
    arguments = dict(shape=SHAPE, num_values=17, shard_size=5, form=form) | changes
    folder = epath.Path(path) / "drawn"
    return shards.Shards(folder, identity, num_samples=num, **arguments)


def drawn(store, num=23, batch_size=4):
    """Draws as a sampler does: in batches that begin at fixed places."""
    start = store.begin()
    for first in range(start // batch_size * batch_size, num, batch_size):
        store.add(first, images(first + batch_size)[first:])
    return start


def contents(path):
    found = {file.name: file.read_bytes() for file in (path / "drawn").iterdir()}
    return {name: data for name, data in found.items() if not name.endswith(".tmp")}


@pytest.mark.parametrize("batch_size", [1, 4, 5, 12, 40])
@BOTH
def test_samples_come_back_in_their_order(tmp_path, form, batch_size):
    store = opened(tmp_path, form=form)
    assert drawn(store, batch_size=batch_size) == 0
    for num in (0, 1, 7, 23):
        np.testing.assert_array_equal(store.read(num), images(num))
    whole = opened(tmp_path, form=form)
    assert whole.begin() == 23
    np.testing.assert_array_equal(whole.read(23), images(23))


def test_real_numbers_come_back_as_they_are(tmp_path):
    points = np.random.default_rng(0).normal(size=(23, 1, 1, 2)).astype(np.float32)
    given = dict(shape=(1, 1, 2), num_values=0)
    store = opened(tmp_path, **given)
    assert store.begin() == 0 and store.read(0).dtype == np.float32
    for first in range(0, 23, 7):
        store.add(first, points[first : first + 7])
    whole = opened(tmp_path, **given)
    assert whole.begin() == 23 and whole.read(23).dtype == np.float32
    np.testing.assert_array_equal(whole.read(23), points)


def test_numbers_of_another_kind_are_a_damaged_file(tmp_path):
    store = opened(tmp_path, num=5, shape=(1, 1, 2), num_values=0)
    store.begin()
    store.add(0, np.zeros((5, 1, 1, 2), np.float32))
    file = tmp_path / "drawn" / "00000.npz"
    file.write_bytes(shards.to_npz(np.zeros((5, 1, 1, 2), np.uint8), 0))
    assert opened(tmp_path, num=5, shape=(1, 1, 2), num_values=0).begin() == 0
    assert not shards.FORMATS["png"].holds_real_numbers


def test_shards_hold_pixel_values_and_the_last_is_shorter(tmp_path):
    drawn(opened(tmp_path))
    for number, num in enumerate((5, 5, 5, 5, 3)):
        with np.load(tmp_path / "drawn" / f"{number:05d}.npz") as shard:
            first = 5 * number
            np.testing.assert_array_equal(shard["images"], images(first + num)[first:])
            assert shard["num_values"] == 17
    assert len(contents(tmp_path)) == 5 + 1


def test_a_shard_is_written_as_it_fills(tmp_path):
    store = opened(tmp_path)
    store.begin()
    assert set(contents(tmp_path)) == {"samples.json"}
    store.add(0, images(4))
    assert set(contents(tmp_path)) == {"samples.json"}
    store.add(4, images(12)[4:])
    assert set(contents(tmp_path)) == {"samples.json", "00000.npz", "00001.npz"}


def test_a_picture_file_is_written_at_once(tmp_path):
    store = opened(tmp_path, form="png")
    store.begin()
    store.add(0, images(2))
    assert set(contents(tmp_path)) == {"samples.json", "000000.png", "000001.png"}
    brightened = encoding.to_uint8(images(2)[1], 17)
    assert contents(tmp_path)["000001.png"] == encoding.png(brightened)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_pictures_give_back_the_pixel_values(tmp_path, num_values, channels):
    shape = (8, 32, channels)
    every_value = np.arange(2 * 8 * 32 * channels) % num_values
    pixels = every_value.astype(np.uint8).reshape(2, *shape)
    changes = dict(form="png", shape=shape, num_values=num_values)
    store = opened(tmp_path, num=2, **changes)
    store.begin()
    store.add(0, pixels)
    np.testing.assert_array_equal(store.read(2), pixels)


def test_the_record_says_what_is_there(tmp_path):
    drawn(opened(tmp_path))
    record = json.loads((tmp_path / "drawn" / "samples.json").read_text())
    assert record == {
        "identity": {**IDENTITY, "ends": [1, 2]},
        "format": "npz",
        "shard_size": 5,
        "shape": [4, 5, 3],
        "num_values": 17,
        "first": 0,
        "num_samples": 23,
    }


def test_a_record_of_an_earlier_version_is_of_the_first_samples(tmp_path):
    own = {"seed": 4, **IDENTITY}
    drawn(opened(tmp_path, identity=own))
    file = tmp_path / "drawn" / "samples.json"
    record = json.loads(file.read_text())
    record["identity"]["config.seed"] = record["identity"].pop("seed")
    del record["first"]
    file.write_text(json.dumps(record))
    assert opened(tmp_path, identity=own).begin() == 23
    file.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"seed \(now 5, then 4\)"):
        opened(tmp_path, identity=own | {"seed": 5}).begin()


@pytest.mark.parametrize("first", [0, 5, 13, 22])
@pytest.mark.parametrize("batch_size", [1, 4, 7])
@BOTH
def test_a_range_has_the_files_that_the_whole_has(tmp_path, form, first, batch_size):
    """But for those at its ends, which other folders hold a part of."""
    drawn(opened(tmp_path / "whole", num=31, form=form), num=31)
    store = opened(tmp_path / "range", num=31 - first, first=first, form=form)
    start = store.begin()
    assert start == first
    for begin in range(first // batch_size * batch_size, 31, batch_size):
        store.add(begin, images(begin + batch_size)[begin:])
    np.testing.assert_array_equal(store.read(31 - first), images(31)[first:])
    np.testing.assert_array_equal(store.read(2), images(31)[first : first + 2])
    again = opened(tmp_path / "range", num=31 - first, first=first, form=form)
    assert again.begin() == 31
    whole, part = contents(tmp_path / "whole"), contents(tmp_path / "range")
    per_file = 5 if form == "npz" else 1
    names = [name for name in whole if name != "samples.json"]
    kept = {name for name in names if int(name[:-4]) >= first // per_file}
    assert part.keys() - {"samples.json"} == kept
    same = {name for name in kept if int(name[:-4]) * per_file >= first}
    assert all(part[name] == whole[name] for name in same)
    record = json.loads(part["samples.json"])
    assert (record["first"], record["num_samples"]) == (first, 31 - first)


def test_another_range_does_not_go_into_the_same_folder(tmp_path):
    drawn(opened(tmp_path))
    with pytest.raises(ConfigError, match=r"something else: first \(now 5, then 0\): "):
        opened(tmp_path, first=5).begin()


def test_a_file_of_more_than_its_range_is_drawn_again(tmp_path):
    store = opened(tmp_path, num=10, first=3)
    assert store.begin() == 3
    store.add(3, images(13)[3:])
    np.savez(tmp_path / "drawn" / "00000.npz", images=images(5), num_values=17)
    with pytest.raises(ConfigError, match=r"00000\.npz is damaged"):
        store.read(1)
    assert opened(tmp_path, num=10, first=3).begin() == 3


class Killed(BaseException):
    """Nothing catches it."""


def kill_at(monkeypatch, number, moment):
    """The program dies before, within or after its write of this number."""
    writes = []
    whole = files.replace_bytes

    def replace_bytes(path, data):
        writes.append(path.name)
        is_last = len(writes) > number
        if is_last and moment == "within":
            path.with_name(path.name + ".tmp").write_bytes(data[: len(data) // 2])
        if is_last and moment != "after":
            raise Killed
        whole(path, data)
        if is_last:
            raise Killed

    monkeypatch.setattr(files, "replace_bytes", replace_bytes)
    return writes


@pytest.mark.parametrize("moment", ["before", "within", "after"])
@pytest.mark.parametrize("number", range(6))
@BOTH
def test_a_killed_program_goes_on(tmp_path, monkeypatch, form, number, moment):
    drawn(opened(tmp_path / "whole", form=form))
    with monkeypatch.context() as patch:
        writes = kill_at(patch, number, moment)
        with pytest.raises(Killed):
            drawn(opened(tmp_path / "killed", form=form))
        # The first is the record, and what it says of is written after it.
        assert writes[0] == "samples.json" and len(writes) == number + 1
        num_files = max(0, number - (moment != "after"))
    store = opened(tmp_path / "killed", form=form)
    assert drawn(store) == min(23, num_files * (5 if form == "npz" else 1))
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    np.testing.assert_array_equal(store.read(23), images(23))


@BOTH
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, form):
    whole = files.replace_bytes

    def replace_bytes(path, data):
        if path.name in ("00002.npz", "000010.png"):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_bytes", replace_bytes)
        with pytest.raises(ConfigError) as error:
            drawn(opened(tmp_path, form=form))
    assert str(error.value) == (
        f"{tmp_path}/drawn cannot be written (No space left on device): 10 of 23 samples"
        " are there; make room and run the same command again, which goes on from there."
    )
    store = opened(tmp_path, form=form)
    assert drawn(store) == 10
    np.testing.assert_array_equal(store.read(23), images(23))


@BOTH
def test_more_samples_go_on_from_those_that_are_there(tmp_path, form):
    drawn(opened(tmp_path / "once", num=31, form=form), num=31)
    drawn(opened(tmp_path / "grown", form=form))
    before = contents(tmp_path / "grown")
    store = opened(tmp_path / "grown", num=31, form=form)
    # The last shard, of three, is to become a whole one, and stays until it is.
    assert store.begin() == (20 if form == "npz" else 23)
    assert contents(tmp_path / "grown").keys() == before.keys()
    drawn(store, num=31)
    assert contents(tmp_path / "grown") == contents(tmp_path / "once")
    np.testing.assert_array_equal(store.read(31), images(31))


@BOTH
def test_fewer_samples_leave_those_that_are_there(tmp_path, form):
    drawn(opened(tmp_path, form=form))
    before = contents(tmp_path)
    store = opened(tmp_path, num=21, form=form)
    assert drawn(store) == 23
    assert contents(tmp_path) == before
    np.testing.assert_array_equal(store.read(21), images(21))
    # The last shard is not the last of fewer still.
    assert opened(tmp_path, num=4, form=form).begin() == 23


def test_a_finished_folder_of_fewer_says_so(tmp_path):
    store = opened(tmp_path, num=100)
    store.begin()
    store.add(0, images(11))
    assert opened(tmp_path, num=10).begin() == 10
    record = json.loads((tmp_path / "drawn" / "samples.json").read_text())
    assert record["num_samples"] == 10


@pytest.mark.parametrize(
    "damage", [b"", b"cut off", "half", "flipped", "few", "many", "other"]
)
def test_a_damaged_shard_is_drawn_again(tmp_path, damage):
    store = opened(tmp_path)
    drawn(store)
    before = contents(tmp_path)
    shard = tmp_path / "drawn" / "00001.npz"
    data = bytearray(shard.read_bytes())
    if damage == "half":
        shard.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 3] ^= 255
        shard.write_bytes(data)
    elif damage == "few":
        np.savez(shard, images=images(4), num_values=17)
    elif damage == "many":
        np.savez(shard, images=images(6), num_values=17)
    elif damage == "other":
        np.savez(shard, images=images(5, shape=(5, 4, 3)), num_values=17)
    else:
        shard.write_bytes(damage)
    np.testing.assert_array_equal(store.read(5), images(5))
    with pytest.raises(
        ConfigError, match=r"00001\.npz is damaged or cut off: remove it"
    ):
        store.read(10)
    assert drawn(opened(tmp_path)) == 5
    assert contents(tmp_path) == before


def test_a_damaged_or_missing_picture_is_named(tmp_path):
    store = opened(tmp_path, form="png")
    drawn(store)
    before = contents(tmp_path)
    file = tmp_path / "drawn" / "000007.png"
    file.write_bytes(file.read_bytes()[:50])
    np.testing.assert_array_equal(store.read(7), images(7))
    with pytest.raises(
        ConfigError, match=r"000007\.png is damaged or cut off: remove it"
    ):
        store.read(8)
    file.unlink()
    with pytest.raises(ConfigError, match=r"000007\.png cannot be read: No such file"):
        store.read(8)
    assert drawn(opened(tmp_path, form="png")) == 7
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "changes, named",
    [
        (dict(identity=IDENTITY | {"step": 800}), "step (now 800, then 900)"),
        (
            dict(identity=IDENTITY | {"step": 800, "ends": (1, 3)}),
            "step (now 800, then 900); ends (now (1, 3), then (1, 2))",
        ),
        (dict(identity={**IDENTITY, "eta": 1}), "eta (now 1, then 'absent')"),
        (
            dict(form="png"),
            "format (now 'png', then 'npz'); shard_size (now 1, then 5)",
        ),
        (dict(shard_size=6), "shard_size (now 6, then 5)"),
        (dict(num_values=256), "num_values (now 256, then 17)"),
        (
            dict(identity={}),
            "step (now 'absent', then 900); weights (now 'absent', then 'ema');"
            " config.sample.ddim.eta (now 'absent', then 0.0) and 1 more",
        ),
    ],
)
def test_other_samples_do_not_go_into_the_same_folder(tmp_path, changes, named):
    drawn(opened(tmp_path))
    before = contents(tmp_path)
    with pytest.raises(ConfigError) as error:
        opened(tmp_path, **changes).begin()
    assert str(error.value) == (
        f"{tmp_path}/drawn holds samples of something else: {named}: write another"
        " config.sample.folder, or remove that one."
    )
    assert contents(tmp_path) == before


def test_the_size_of_shards_does_not_matter_to_pictures(tmp_path):
    drawn(opened(tmp_path, form="png"))
    assert opened(tmp_path, form="png", shard_size=7).begin() == 23


@BOTH
def test_files_of_something_else_are_left_alone(tmp_path, form):
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "holiday.jpg").touch()
    with pytest.raises(
        ConfigError, match=r"something else, such as 'holiday\.jpg': write"
    ):
        opened(tmp_path, form=form).begin()
    assert set(contents(tmp_path)) == {"holiday.jpg"}


@pytest.mark.parametrize("text", ["{", "", "\x80"])
def test_a_record_that_is_no_json_is_an_error_in_one_line(tmp_path, text):
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "samples.json").write_bytes(text.encode("latin1"))
    with pytest.raises(
        ConfigError, match=r"samples\.json cannot be read as JSON"
    ) as error:
        opened(tmp_path).begin()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[1]", "{}", '{"identity": 3}', "null"])
def test_a_record_of_another_program_is_another_identity(tmp_path, text):
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "samples.json").write_text(text)
    with pytest.raises(ConfigError, match=r"step \(now 900, then 'absent'\)"):
        opened(tmp_path).begin()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "drawn").touch()
    with pytest.raises(
        ConfigError, match=r"drawn cannot be written \(.*\): nothing was"
    ):
        opened(tmp_path).begin()


def test_a_disk_that_is_full_from_the_start_is_known_before_drawing(
    tmp_path, monkeypatch
):
    def replace_bytes(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "replace_bytes", replace_bytes)
    with pytest.raises(ConfigError, match=r"\(No space left on device\): nothing was"):
        opened(tmp_path).begin()


@BOTH
def test_a_whole_folder_is_only_read(tmp_path, monkeypatch, form):
    drawn(opened(tmp_path, form=form))
    kill_at(monkeypatch, 0, "before")
    assert drawn(opened(tmp_path, form=form)) == 23


@BOTH
def test_other_processes_read_and_write_nothing(tmp_path, form):
    reader = opened(tmp_path, form=form, is_writer=False)
    assert drawn(reader) == 0
    assert not (tmp_path / "drawn").exists()
    writer = opened(tmp_path, form=form)
    writer.begin()
    writer.add(0, images(13))
    before = contents(tmp_path)
    assert reader.begin() == opened(tmp_path, form=form).begin() > 0
    reader.add(13, images(23)[13:])
    assert contents(tmp_path) == before


def test_samples_that_are_left_out_are_a_mistake(tmp_path):
    store = opened(tmp_path)
    store.begin()
    store.add(0, images(3))
    with pytest.raises(ValueError, match="sample 4 is added, but 3 would be next"):
        store.add(4, images(6)[4:])
    # What waited for a whole shard is forgotten at a new start.
    assert store.begin() == 0
    with pytest.raises(ValueError, match="sample 3 is added, but 0 would be next"):
        store.add(3, images(6)[3:])
