"""Broken image files are told in the background, before they are met."""

import time

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import table, wholeness

FORMATS = ("png", "jpg", "gif", "webp")


def picture(path, seed=0, size=16):
    generator = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Six images for training and one for testing."""
    for i in range(6):
        picture(tmp_path / "train" / "ab"[i % 2] / f"{i}.png", i)
    picture(tmp_path / "test" / "a" / "0.png")
    return tmp_path


def cut(path, size=400):
    path.write_bytes(path.read_bytes()[:size])


def source(folder):
    return table.make(f"folder:{folder}", "train")


def found(watch):
    """The error of a watch that has seen all."""
    watch._thread.join()
    with pytest.raises(ConfigError) as error:
        watch.check()
    return str(error.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_look_sees_that_the_end_is_missing(tmp_path, suffix):
    path = picture(tmp_path / f"a.{suffix}")
    assert wholeness.looks_whole(path)
    for size in (0, 20, path.stat().st_size // 2, path.stat().st_size - 16):
        cut(picture(path), size)
        assert not wholeness.looks_whole(path), size


def test_of_other_kinds_and_of_no_image_nothing_is_known(tmp_path):
    assert not wholeness.looks_whole(picture(tmp_path / "a.bmp"))
    assert not wholeness.looks_whole(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("no image")
    assert not wholeness.looks_whole(tmp_path / "text.png")


def test_a_png_with_another_bit_is_decoded_to_see_whether_it_can_be(folder):
    path = folder / "train" / "a" / "2.png"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # Of a checksum after the pixels.
    path.write_bytes(bytes(data))
    watch = wholeness.Watch(source(folder))
    watch._thread.join()
    watch.check()


def test_a_watch_names_the_first_broken_file_what_to_do_and_how_many_more(folder):
    whole = source(folder)
    watch = wholeness.Watch(whole)
    watch._thread.join()
    watch.check()
    for name in ("a/2", "b/3", "b/5"):
        cut(folder / "train" / f"{name}.png")
    said = found(wholeness.Watch(whole))
    assert "image a/2.png cannot be read" in said and "skip_broken=True" in said
    assert said.endswith("the same command again (2 other files are broken too).")


def test_what_is_in_memory_is_not_looked_at_and_closing_stops(folder, monkeypatch):
    watch = wholeness.Watch(table.make("digits", "train"))
    watch.close()
    watch.check()
    slow = source(folder)
    looks = []
    monkeypatch.setattr(
        type(slow), "fault", lambda self, i: looks.append(i) or time.sleep(0.05) or ""
    )
    watch = wholeness.Watch(slow, slow)
    watch.close()
    assert len(looks) < 3
    monkeypatch.setattr(wholeness, "LONGEST_SECONDS", -1.0)
    looks.clear()
    wholeness.Watch(slow).close()
    assert not looks
