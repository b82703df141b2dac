"""The reference of a data set's features: what it is of, and when it is made again."""

import numpy as np
import pytest
from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import run_data, table, truth
from ddpm_jax.evaluation import features, reference
from ddpm_jax.models import build
from ddpm_jax.runs import restore
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")
NUM = 1437


def test_a_reference_is_of_every_training_image(
    restored, judged, extractor, real, tmp_path
):
    c = judged(eval__batch_size=504)
    found = reference.of(c, epath.Path(tmp_path), restored.mesh, extractor)
    assert found.moments.num == len(real) == NUM
    np.testing.assert_allclose(found.moments.mean, real.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.moments.covariance, np.cov(real.T), atol=1e-5)
    np.testing.assert_allclose(found.features, real, atol=1e-5)
    assert found.identity["data"]["num_examples"] == NUM
    assert found.identity["extractor"] == extractor.identity


def test_of_many_images_some_are_kept_evenly(
    restored, judged, extractor, real, tmp_path, monkeypatch
):
    monkeypatch.setattr(reference, "MOST_KEPT", 10)
    found = reference.of(judged(), epath.Path(tmp_path), restored.mesh, extractor)
    places = [i * NUM // 10 for i in range(10)]
    np.testing.assert_allclose(found.features, real[places], atol=1e-5)
    assert found.moments.num == NUM


@pytest.fixture
def ask(restored, judged, tmp_path, monkeypatch):
    """Asks for a reference in one folder; with it comes how often one was made."""
    made, make = [], reference._make
    monkeypatch.setattr(reference, "_make", lambda *args: made.append(1) or make(*args))

    def ask(extractor, **changes):
        made.clear()
        path = epath.Path(tmp_path)
        found = reference.of(judged(**changes), path, restored.mesh, extractor)
        return found, len(made)

    return ask


def test_a_reference_is_kept_where_it_fits_and_made_again_where_not(
    ask, extractor, tmp_path
):
    first, num = ask(extractor)
    assert num == 1
    again, num = ask(extractor)
    assert num == 0 and again.identity == first.identity
    np.testing.assert_array_equal(again.features, first.features)
    assert again.moments.num == first.moments.num
    np.testing.assert_array_equal(again.moments.mean, first.moments.mean)
    np.testing.assert_array_equal(again.moments.covariance, first.moments.covariance)
    # By each part of another extractor, of other data, and after damage.
    for part, value in extractor.identity.items():
        other = {**extractor.identity, part: f"not {value}"}
        assert ask(extractor._replace(identity=other))[1] == 1, part
    assert ask(extractor)[1] == 1
    assert ask(extractor, data__train_split="test")[1] == 1
    assert ask(extractor, eval__batch_size=256, data__train_split="test")[1] == 0
    file = tmp_path / "reference" / "classifier.npz"
    file.write_bytes(file.read_bytes()[:1000])
    assert ask(extractor)[1] == 1


def test_a_reference_that_is_named_is_used_or_refused(ask, extractor, tmp_path):
    ask(extractor)
    file = tmp_path / "reference" / "classifier.npz"
    named = {"eval__quality__reference": str(file)}
    assert ask(extractor, **named)[1] == 0
    other = extractor._replace(identity={**extractor.identity, "arrays": "other"})
    before = file.read_bytes()
    for wrong, changes, words in (
        (other, {}, r"extractor.arrays is '\w+' there and 'other' here"),
        (extractor, {"data__train_split": "test"}, r"data.split is 'train' there"),
    ):
        with pytest.raises(ConfigError, match=words) as error:
            ask(wrong, **named, **changes)
        assert "config.eval.quality.reference = " in str(error.value)
        assert "\n" not in str(error.value) and file.read_bytes() == before
    nowhere = {"eval__quality__reference": str(tmp_path / "nowhere.npz")}
    with pytest.raises(
        ConfigError, match=r"nowhere.npz' cannot be used .no reference is there"
    ):
        ask(extractor, **nowhere)


@pytest.mark.parametrize("content", [b"", b"a text of the user's"])
def test_what_is_no_reference_is_not_replaced(
    restored, judged, extractor, tmp_path, content
):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    c = judged(eval__quality__reference=str(file))
    source = build.source(c, "train")
    with pytest.raises(ConfigError, match=r"notes.txt' is there and is no reference"):
        reference.make(c, restored.path, restored.mesh, source, extractor)
    assert file.read_bytes() == content


def test_one_that_is_there_is_made_anew(restored, judged, extractor, tmp_path):
    path, c = epath.Path(tmp_path), judged(eval__batch_size=512)
    whole = build.source(c, "train")
    first = reference.of(c, path, restored.mesh, extractor)
    part = build.source(c, "test")
    file, found = reference.make(c, path, restored.mesh, part, extractor)
    assert file == path / "reference" / "classifier.npz"
    assert found.moments.num == len(part) < first.moments.num == len(whole)
    with np.load(file) as arrays:
        assert arrays["num"] == len(part)


FOLDER = {
    "name": "folder:/a",
    "version": "of paths",
    "split": "train",
    "resizing": "none",
    "num_examples": NUM,
}


@pytest.fixture
def ask_of(restored, judged, extractor, tmp_path, monkeypatch):
    """Asks for the reference of a run with recorded data; with it, whether one was made."""

    def open_split(split):
        source = build.source(judged(), split)
        source.identity = recorded[0]
        return source

    made, make, recorded = [], reference._make, []
    monkeypatch.setattr(reference, "_make", lambda *args: made.append(1) or make(*args))

    def ask_of(identity, **changes):
        made.clear()
        recorded[:] = [identity]
        data = run_data.RunData(
            *("folder:/a", (8, 8, 1), 17, tuple("0123456789")),
            {"train": identity},
            open_split,
        )
        path, c = epath.Path(tmp_path), judged(**changes)
        found = reference.of(c, path, restored.mesh, extractor, data)
        return found.identity["data"], bool(made)

    return ask_of


def test_a_reference_is_known_by_the_contents_of_its_images(ask_of, caplog):
    first = {**FOLDER, "contents": "1"}
    assert ask_of(first) == (first, True)
    # A folder that has moved has the same images; nothing is opened to see that.
    assert ask_of({**first, "name": "folder:/b"}) == (first, False)
    other = {**first, "contents": "2"}
    assert ask_of(other) == (other, True)
    assert "does not say" not in caplog.text


def test_a_reference_of_an_earlier_version_is_taken_and_told(ask_of, tmp_path, caplog):
    """It says nothing of contents, but the rest must be the same."""
    assert ask_of(FOLDER) == (FOLDER, True)
    caplog.clear()
    assert ask_of({**FOLDER, "contents": "1"}) == (FOLDER, False)
    (line,) = [text for text in caplog.messages if "does not say" in text]
    assert line.startswith(f"{tmp_path}/reference/classifier.npz does not say what")
    now = {**FOLDER, "contents": "1", "name": "folder:/b"}
    assert ask_of(now) == (now, True)


def test_a_named_reference_of_changed_images_is_refused_or_accepted(
    ask_of, tmp_path, caplog
):
    first = {**FOLDER, "contents": "1"}
    ask_of(first)
    file = tmp_path / "reference" / "classifier.npz"
    named = {"eval__quality__reference": str(file)}
    other = {**first, "contents": "2", "num_examples": 9}
    message = (
        r"cannot be used \(data.contents is '1' there and '2' here; data.num_examples is"
        r" 1437 there and 9 here\): make it"
    )
    with pytest.raises(ConfigError, match=message):
        ask_of(other, **named)
    assert ask_of(other, **named, data__accept_changes=True) == (first, False)
    assert f"accepted: {file}: data.contents is" in caplog.text
    # What was not of the same images to begin with is not accepted.
    with pytest.raises(
        ConfigError, match=r"data.resizing is 'none' there and '8x8' here"
    ):
        ask_of({**first, "resizing": "8x8"}, **named, data__accept_changes=True)


def test_a_file_that_does_not_say_its_data_is_made_anew(ask_of, tmp_path):
    ask_of(FOLDER)
    file = tmp_path / "reference" / "classifier.npz"
    with np.load(file) as arrays:
        parts = dict(arrays)
    parts["identity"] = np.array("{}")
    np.savez(file, **parts)
    assert ask_of(FOLDER) == (FOLDER, True)
    np.savez(file, **parts)
    with pytest.raises(ConfigError, match="does not say of what data it is"):
        ask_of(FOLDER, eval__quality__reference=str(file))


@pytest.fixture
def of_points(tmp_path, monkeypatch):
    """Asks for the reference of points, of which few are drawn and fewer would be kept."""
    monkeypatch.setattr(reference, "MOST_KEPT", 10)
    monkeypatch.setattr(truth, "NUM_POINTS", 48)

    def of(name="points:checkerboard", split="train"):
        c = tiny.config(data__name=name, data__train_split=split)
        with c.unlocked():
            c.eval.quality.extractor = "values"
        mesh = tiny.one_device()
        source = build.source(c, split)
        extractor = features.make(c, mesh, source, restore.OTHERS)
        data = run_data.of_source(source, split, lambda name: build.source(c, name))
        path = epath.Path(tmp_path)
        named = reference.make(c, path, mesh, source, extractor)[1]
        found = reference.of(c, path, mesh, extractor, data)
        assert found.identity == named.identity
        return found

    return of


def test_of_points_it_is_the_truth_where_that_is_known(of_points):
    found, train = of_points(), table.make("points:checkerboard", "train")
    points = train.draw(48, truth.SEED).astype(np.float32)
    np.testing.assert_array_equal(found.features, points)
    np.testing.assert_allclose(found.moments.mean, points.mean(0), atol=1e-6)
    assert found.identity["data"]["split"] == "fresh points of the true density"
    assert found.identity["extractor"] == {"name": "values"}
    # Whatever split is asked for.
    assert of_points(split="test").identity == found.identity


def test_of_points_of_a_file_it_is_the_training_points(of_points, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60.0).reshape(30, 2))
    found = of_points(f"points:{tmp_path}/a.npy")
    assert found.moments.num == 27 and len(found.features) == 10
    assert found.identity["data"]["split"] == "train"
