"""Data that several tests read, written once."""

import io
import pathlib
import tempfile

import numpy as np
import pytest
from PIL import Image


class CountingSource:
    """Notes what is read. Image i < 150 is filled with i, on the right with i + 100."""

    name, num_values, num_classes = "counting", 256, 0
    shape = (2, 4, 1)

    def __init__(self, length: int) -> None:
        self._length = length
        self.reads: list[int] = []
        self.identity = {"name": "counting", "split": "train", "num_examples": length}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /):
        if not 0 <= index < self._length:
            raise IndexError(index)
        self.reads.append(index)
        image = np.full(self.shape, index, np.uint8)
        image[:, 2:] += 100
        return {"image": image, "label": index % 7}


@pytest.fixture
def counting():
    return CountingSource


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory) -> str:
    """Where tiny_tfds's data sets are prepared."""
    from tests.data import tiny_tfds  # noqa: F401

    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture
def tfds_leavings(tmp_path_factory, monkeypatch) -> pathlib.Path:
    """Where temporary folders go meanwhile.

    TFDS makes one for each data set that it opens unprepared, and never removes it.
    """
    folder = tmp_path_factory.mktemp("leavings")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def encoded(image: np.ndarray, file_format: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, file_format, **options)
    return file.getvalue()


@pytest.fixture
def image_folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """60 images of two classes; b/017.png is cut short."""
    for i in range(60):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (6, 6, 3), np.uint8)
        noise[0, 0] = i
        data = encoded(noise)
        path.write_bytes(data[: len(data) // 2] if i == 17 else data)
    return tmp_path / "images"
