"""Fresh points of a known density: what they are, and that no split has them."""

import numpy as np

from ddpm_jax.data import pipeline, table, truth
from ddpm_jax.data.source import Source


def test_they_are_fresh_points_of_the_sources_density(monkeypatch):
    monkeypatch.setattr(truth, "NUM_POINTS", 40)
    train = table.make("points:checkerboard", "train")
    found = truth.or_itself(train)
    assert isinstance(found, Source) and len(found) == 40
    assert (found.name, found.shape, found.num_values) == (
        "points:checkerboard",
        (1, 1, 2),
        0,
    )
    points = np.stack([found[i]["image"] for i in range(40)])
    assert points.dtype == np.float32 and points.shape == (40, 1, 1, 2)
    drawn = train.draw(40, truth.SEED).astype(np.float32)
    np.testing.assert_array_equal(points[:, 0, 0], drawn)
    old = {tuple(point) for point in train.points.tolist()}
    assert not old & {tuple(point) for point in points[:, 0, 0].tolist()}


def test_their_identity_says_what_they_are_whatever_split_is_asked(monkeypatch):
    train, test = (
        table.make("points:checkerboard", split) for split in ("train", "test")
    )
    found = truth.or_itself(train).identity
    changed = {"seed": 0, "num_examples": 100_000}
    split = {"split": "fresh points of the true density"}
    assert found == {**train.identity, **changed, **split}
    assert truth.or_itself(pipeline.first(test, 9)).identity == found
    # Nothing is drawn to know it.
    monkeypatch.setattr(type(train), "draw", lambda *_: 1 / 0)
    assert truth.or_itself(train).identity == found


def test_where_no_density_is_known_a_source_is_itself(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(40.0).reshape(20, 2))
    for name in ("digits", f"points:{tmp_path}/a.npy"):
        source = table.make(name, "train")
        assert truth.or_itself(source) is source
