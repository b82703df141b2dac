"""Splits and classes by the names of sub-folders, and what is refused."""

import pytest

from ddpm_jax.data import split_folders
from ddpm_jax.data.listing import File, Listing


def listed(*paths, empty=()):
    """A listing of these images, and of folders without any."""
    folders = set(empty)
    for path in paths:
        parts = path.split("/")[:-1]
        folders |= {"/".join(parts[:depth]) for depth in (1, 2) if len(parts) >= depth}
    files = [File(path, 1, 1) for path in sorted(paths)]
    return Listing(files, sorted(folders), {})


def of(*paths, empty=()):
    return split_folders.by_names(listed(*paths, empty=empty), "here", "/data")


def found(layout):
    return {
        kind: (split.folder, [file.path for file in split.files])
        for kind, split in layout.splits.items()
    }


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
@pytest.mark.parametrize(
    ("other", "kind"),
    [("val", "val"), ("Valid", "val"), ("validation", "val"), ("Testing", "test")],
)
def test_usual_names_are_splits_in_any_case(train, other, kind):
    layout = of(f"{train}/cat/1.png", f"{train}/dog/2.png", f"{other}/dog/3.png")
    assert found(layout) == {
        "train": (train, ["cat/1.png", "dog/2.png"]),
        kind: (other, ["dog/3.png"]),
    }
    assert layout.classes == ["cat", "dog"]
    assert layout.remarks == [f"{other!r} has no images of 'cat'"]
    # The default of config.data.eval_split, and every usual name of a split that is there.
    assert layout.name_of("test") == layout.name_of("TESTING") == kind
    for name in split_folders.USUAL[kind]:
        assert layout.name_of(name) == kind
    if kind == "test":
        with pytest.raises(
            ValueError, match="= 'val': this folder has the splits 'train'"
        ):
            layout.name_of("val")


def test_three_splits_have_names_of_their_own():
    layout = of("train/a/1.png", "val/b/2.png", "test/b/3.png", "more/c/4.png", "5.png")
    assert {name: layout.name_of(name) for name in ("train", "valid", "test")} == {
        "train": "train",
        "valid": "val",
        "test": "test",
    }
    assert layout.classes == ["a", "b"] and layout.num_outside == 2


def test_a_third_split_changes_no_labels_of_the_others():
    with pytest.raises(
        ValueError, match="the class 'aa' of 'val' is in no other split"
    ):
        of("train/b/1.png", "test/b/2.png", "val/aa/3.png")


REFUSED = {
    "both names of a split": (
        ["train/a/1.png", "val/a/1.png", "validation/a/1.png"],
        "here holds both 'val' and 'validation', two names of one split: join",
    ),
    "one name in two cases": (
        ["Train/a/1.png", "train/a/1.png"],
        "here holds both 'Train' and 'train'",
    ),
    "training alone": (
        ["Training/a/1.png"],
        "here holds 'Training' alone: add 'val' or 'test' beside it, or write"
        " folder:/data/Training for",
    ),
    "testing alone": (
        ["test/a/1.png"],
        "here holds 'test' alone: add 'train' beside it",
    ),
    "no training": (
        ["test/a/1.png", "val/a/2.png"],
        "here holds 'test' and 'val', but no 'train': rename",
    ),
    "training and another": (
        ["train/1.png", "extra/2.png"],
        "here holds 'train' beside 'extra': give splits the names",
    ),
    "training among folders of another depth": (
        ["train/a/1.png", "b/2.png", "c/3.png"],
        "here holds 'train' beside 'b': .* write folder:/data/train for that alone",
    ),
    "an unusual name for testing": (
        ["train/1.png", "dev/2.png", "extra/3.png"],
        "here holds 'train' beside 'dev'",
    ),
    "numbers behind": (
        ["train2017/1.png", "val2017/2.png"],
        "here holds 'train2017' and 'val2017', which look like splits: name them",
    ),
    "words behind": (
        ["training_set/a/1.png", "test_set/a/2.png", "b/3.png"],
        "here holds 'test_set' and 'training_set', which look like splits",
    ),
    "classes before splits": (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png"],
        "holds splits in 'cat' and 'dog': let the split come before the class, as in train/cat",
    ),
    "splits one folder down": (
        ["images/train/a/1.png", "images/val/a/2.png", "x.png"],
        "here holds splits in 'images': write folder:/data/images.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_looks_like_splits_is_never_taken_for_classes(name):
    paths, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as error:
        of(*paths)
    assert "\n" not in str(error.value)
    # Whoever means classes can say so.
    layout = split_folders.hashed(listed(*paths))
    assert layout.classes == sorted({split_folders.class_of(path) for path in paths})


def test_annotations_beside_images_are_no_splits():
    paths = ["images/train/1.png", "images/val/2.png"]
    with pytest.raises(ValueError, match="here holds splits in 'images': write"):
        of(*paths, empty=["labels", "labels/train", "labels/val"])


@pytest.mark.parametrize("direct", [True, False])
def test_a_class_may_be_called_like_a_split_among_others(direct):
    """Vehicles are read as they always were, but not without a word."""
    names = ["bus", "car", "plane", "train"]
    paths = [
        f"{n}/{i}.png" if direct else f"{n}/x/{i}.png" for n in names for i in range(20)
    ]
    layout = of(*paths)
    assert layout.classes == names
    assert layout.remarks == [
        "'train' is taken for a class, as it stands among 3 others"
    ]
    both = [path for _, split in found(layout).items() for path in split[1]]
    assert sorted(both) == sorted(paths)


def test_names_that_only_begin_like_splits_are_classes():
    names = ["test_tube", "train_station", "valley", "trainer", "testament"]
    assert of(*(f"{name}/1.png" for name in names)).classes == sorted(names)


def test_hashes_of_paths_tell_the_split_where_no_folder_does():
    paths = [f"{'ab'[i % 2]}/{i:03}.png" for i in range(60)]
    splits = found(of(*paths))
    # By hand: sha256("a/004.png") and so on, modulo 10.
    import hashlib

    def is_for_testing(path):
        return int(hashlib.sha256(path.encode()).hexdigest(), 16) % 10 == 0

    assert splits["test"] == (
        "",
        [path for path in sorted(paths) if is_for_testing(path)],
    )
    assert splits["train"] == ("", [p for p in sorted(paths) if not is_for_testing(p)])
    assert 1 <= len(splits["test"][1]) <= 15


def test_what_may_be_meant_otherwise_is_remarked():
    layout = of("cat/1.png", "2.png", "3.png", empty=["dog"])
    assert layout.classes == ["", "cat"]
    assert layout.remarks == [
        "no images in 'dog', so that it is no class",
        "2 images in no class's folder (such as 2.png) are a class of their own, the first",
    ]
    layout = of("train/cat/1.png", "val/cat/2.png", empty=["train/dog", "val/dog"])
    assert layout.remarks == ["no images in 'dog', so that it is no class"]
