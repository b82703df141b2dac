"""The splits and classes of a folder of images, by the names of its sub-folders.

    train/cat/1.png  test/cat/2.png      splits by the usual names, in any case; val is a third
    cat/1.png  dog/2.png                 classes; a tenth of the files is for testing

In the second layout a file is for testing if the SHA-256 of its path, with "/", is 0 modulo 10.
So a file stays in its split when others come or go. What looks like splits, but is neither
layout, is refused rather than taken for classes.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ddpm_jax.data.listing import File, Listing

TRAIN, VALIDATION, TEST = "train", "val", "test"
USUAL: Mapping[str, Sequence[str]] = {
    TRAIN: ("train", "training"),
    VALIDATION: ("val", "valid", "validation"),
    TEST: ("test", "testing"),
}
KINDS = {name: kind for kind, names in USUAL.items() for name in names}
# The share of files for testing, one in ten, where no sub-folders say which.
TEST_EVERY = 10
# A name like the usual ones, with or without something behind it: train2017, testset, dev.
_NEARLY = re.compile(
    r"(training|train|validation|valid|val|testing|test|dev|eval)((?![a-z]).+|set)?"
)
NO_CLASS = "(none)"  # In texts, the class of images that are in no class's folder.
AS_CLASSES = "config.data.folder.splits = 'hashed' if they are classes"


class Split(NamedTuple):
    """The files of one split.

    Attributes:
      folder: the sub-folder that holds it; "": it is a part of all.
      files: its files, with paths below that.
    """

    folder: str
    files: Sequence[File]


class Layout(NamedTuple):
    """The splits and classes of a folder.

    Attributes:
      splits: by name, one of `USUAL`.
      classes: sorted names of the classes; labels are their places. "": of no sub-folder.
      remarks: sentences on what may be meant otherwise.
      num_outside: the number of files that are in no split.
    """

    splits: Mapping[str, Split]
    classes: Sequence[str]
    remarks: Sequence[str]
    num_outside: int = 0

    def name_of(self, wanted: str) -> str:
        """The name of the split that config.data.train_split or eval_split asks for.

        Raises:
          ValueError: there is none.
        """
        name = KINDS.get(wanted.lower(), "")
        if name == TEST and TEST not in self.splits:
            name = VALIDATION
        if name not in self.splits:
            known = " and ".join(repr(split) for split in self.splits)
            raise ValueError(
                f"config.data.train_split or eval_split = {wanted!r}: this folder has the"
                f" splits {known}."
            )
        return name


def by_names(listing: Listing, here: str, root: str) -> Layout:
    """The layout that the names of sub-folders tell.

    Args:
      listing: all that lies below the folder.
      here: beginning of error texts.
      root: the folder as the user wrote it.

    Raises:
      ValueError: what is meant cannot be told.
    """
    tops = [path for path in listing.folders if "/" not in path]
    named: dict[str, str] = {}
    for top in tops:
        kind = KINDS.get(top.lower())
        if kind in named:
            raise ValueError(
                f"{here} holds both {named[kind]!r} and {top!r}, two names of one split: join"
                f" or rename them, or write {AS_CLASSES}."
            )
        if kind:
            named[kind] = top
    if TRAIN in named and len(named) > 1:
        return _of_folders(listing, named)
    _refuse_other_splits(listing, tops, here, root)
    if not named:
        return hashed(listing)
    name = next(iter(named.values()))
    others = {file.path.split("/")[0] for file in listing.files} - set(named.values())
    if not others:
        raise ValueError(_alone(here, root, sorted(named.values())))
    if (
        len(named) > 1
        or len(others) == 1
        or any(_NEARLY.fullmatch(other.lower()) for other in others)
        or not _is_like(listing, name, others)
    ):
        raise ValueError(
            f"{here} holds {name!r} beside {min(others)!r}: give splits the names 'train' and"
            f" 'test' or 'val', write folder:{os.path.join(root, name)} for that alone, or"
            f" write {AS_CLASSES}."
        )
    remark = f"{name!r} is taken for a class, as it stands among {len(others)} others"
    layout = hashed(listing)
    return layout._replace(remarks=[*layout.remarks, remark])


def hashed(listing: Listing) -> Layout:
    """The layout in which all sub-folders are classes, and hashes of paths tell the split."""
    classes = _classes(listing.files)
    parts: dict[str, list[File]] = {TRAIN: [], TEST: []}
    for file in listing.files:
        parts[TEST if _is_for_testing(file.path) else TRAIN].append(file)
    empty = [
        path for path in listing.folders if "/" not in path and path not in classes
    ]
    remarks = _remarks_on_classes(listing.files, classes, empty)
    return Layout({name: Split("", p) for name, p in parts.items()}, classes, remarks)


def class_of(path: str) -> str:
    """The class of a path: its first sub-folder, or "" for a file that is in none."""
    return path.split("/")[0] if "/" in path else ""


def _of_folders(listing: Listing, named: Mapping[str, str]) -> Layout:
    """The layout of sub-folders for splits."""
    kinds = {top: kind for kind, top in named.items()}
    parts: dict[str, list[File]] = {kind: [] for kind in USUAL if kind in named}
    num_outside = 0
    for file in listing.files:
        top, _, path = file.path.partition("/")
        if path and top in kinds:
            parts[kinds[top]].append(file._replace(path=path))
        else:
            num_outside += 1
    # A third split does not change the labels of the other two.
    deciding = [kind for kind in parts if kind != VALIDATION or TEST not in parts]
    classes = _classes([file for kind in deciding for file in parts[kind]])
    remarks = []
    for kind, files in parts.items():
        names = _classes(files)
        if unknown := [name for name in names if name not in classes]:
            raise ValueError(
                f"the class {unknown[0]!r} of {named[kind]!r} is in no other split: move its"
                " files elsewhere."
            )
        lacking = [name for name in classes if name not in names]
        if files and lacking:
            remarks.append(f"{named[kind]!r} has no images of {_listed(lacking)}")
    all_files = [file for files in parts.values() for file in files]
    empty = {
        path.partition("/")[2]
        for path in listing.folders
        if path.split("/")[0] in kinds and "/" in path
    }
    remarks += _remarks_on_classes(all_files, classes, sorted(empty - set(classes)))
    splits = {kind: Split(named[kind], files) for kind, files in parts.items()}
    return Layout(splits, classes, remarks, num_outside)


def _refuse_other_splits(
    listing: Listing, tops: Sequence[str], here: str, root: str
) -> None:
    """Raises ValueError where splits stand elsewhere, or under unusual names."""
    inside: dict[str, set[str]] = {}
    with_images = {"/".join(file.path.split("/")[:2]) for file in listing.files}
    for path in listing.folders:
        top, _, name = path.partition("/")
        if name.lower() in KINDS and path in with_images:
            inside.setdefault(top, set()).add(KINDS[name.lower()])
    nested = [top for top, kinds in inside.items() if TRAIN in kinds and len(kinds) > 1]
    if len(nested) == 1:
        raise ValueError(
            f"{here} holds splits in {nested[0]!r}: write"
            f" folder:{os.path.join(root, nested[0])}."
        )
    if nested:
        raise ValueError(
            f"{here} holds splits in {nested[0]!r} and {nested[1]!r}: let the split come"
            f" before the class, as in train/{nested[0]}, or write {AS_CLASSES}."
        )
    endings: dict[str, list[str]] = {}
    for top in tops:
        if (match := _NEARLY.fullmatch(top.lower())) and match[2]:
            endings.setdefault(match[2], []).append(top)
    for names in endings.values():
        if len(names) > 1 and any(name.lower().startswith("train") for name in names):
            raise ValueError(
                f"{here} holds {names[0]!r} and {names[1]!r}, which look like splits: name"
                f" them 'train', 'val' or 'test', or write {AS_CLASSES}."
            )


def _alone(here: str, root: str, names: Sequence[str]) -> str:
    """The error of a folder whose splits do not suffice."""
    if len(names) > 1:
        return (
            f"{here} holds {' and '.join(map(repr, names))}, but no 'train': rename the one"
            f" to train on, or write {AS_CLASSES}."
        )
    (name,) = names
    other = "'val' or 'test'" if KINDS[name.lower()] == TRAIN else "'train'"
    return (
        f"{here} holds {name!r} alone: add {other} beside it, or write"
        f" folder:{os.path.join(root, name)} for a split by this program."
    )


def _is_like(listing: Listing, name: str, others: set[str]) -> bool:
    """Whether a folder holds images directly just where the others do."""
    direct = Counter(
        f.path.split("/")[0] for f in listing.files if f.path.count("/") == 1
    )
    return all((direct[name] > 0) == (direct[other] > 0) for other in others)


def _remarks_on_classes(
    files: Sequence[File], classes: Sequence[str], empty: Sequence[str]
) -> list[str]:
    remarks = []
    if empty:
        remarks.append(f"no images in {_listed(empty)}, so that it is no class")
    loose = [file.path for file in files if "/" not in file.path]
    if loose and len(classes) > 1:
        remarks.append(
            f"{len(loose)} images in no class's folder (such as {min(loose)}) are a class of"
            " their own, the first"
        )
    return remarks


def _classes(files: Sequence[File]) -> list[str]:
    return sorted({class_of(file.path) for file in files})


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name or NO_CLASS) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _is_for_testing(path: str) -> bool:
    # Names of files need not be UTF-8.
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return int.from_bytes(digest) % TEST_EVERY == 0
