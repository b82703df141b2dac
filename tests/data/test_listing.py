"""What lies below a folder: links, twins, and what is left out."""

import os

import pytest

from ddpm_jax.data import listing


def put(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def paths(found):
    return [file.path for file in found.files]


def test_images_are_listed_in_the_order_of_paths_with_size_and_time(tmp_path):
    put(tmp_path, "b/2.png", "b.png", "a/c/1.JPG", "a/.hidden.png", ".b/3.png")
    found = listing.read(tmp_path)
    assert paths(found) == ["a/c/1.JPG", "b.png", "b/2.png"]
    assert found.folders == ["a", "a/c", "b"]
    status = os.stat(tmp_path / "b.png")
    assert found.files[1] == ("b.png", 5, status.st_mtime_ns)
    assert found.left_out == {} and found.describe_left_out() == ""


def test_a_link_that_leads_back_makes_no_copies(tmp_path):
    put(tmp_path, *(f"a/{i}.png" for i in range(20)))
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "itself").symlink_to(".")
    (tmp_path / "above").symlink_to("../..")
    found = listing.read(tmp_path)
    assert len(found.files) == 20
    kind = "links to folders that are there already"
    assert found.left_out == {kind: ["a/itself", "a/up", "above"]}
    assert found.describe_left_out() == f"3 {kind} (such as a/itself)"


def test_a_real_file_is_taken_once_at_its_own_path(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    put(root, "b/1.png", "c/2.png")
    put(elsewhere, "d/3.png", "4.png", "5.dat")
    for link, target in {
        "a": root / "b",
        "a1.png": root / "c" / "2.png",
        "e": elsewhere / "d",
        "f": elsewhere / "d",
        "g.png": elsewhere / "4.png",
        "h.png": elsewhere / "4.png",
        "i.png": elsewhere / "d" / "3.png",
        "j.png": elsewhere / "5.dat",
        "k.png": root / "g.png",
    }.items():
        (root / link).symlink_to(target)
    found = listing.read(root)
    assert paths(found) == ["b/1.png", "c/2.png", "e/3.png", "g.png", "j.png"]
    assert found.left_out == {
        "links to folders that are there already": ["a", "f"],
        "links to files that are there already": ["a1.png", "h.png", "i.png", "k.png"],
    }


def test_two_names_of_one_file_are_one(tmp_path):
    put(tmp_path, "train/1.png", "test/2.png")
    os.link(tmp_path / "train" / "1.png", tmp_path / "test" / "1.png")
    found = listing.read(tmp_path)
    assert paths(found) == ["test/1.png", "test/2.png"]
    assert list(found.left_out.values()) == [["train/1.png"]]


def test_a_file_system_that_numbers_no_files_has_no_twins(tmp_path):
    walk = listing._Walk(str(tmp_path))
    for name in ("1.png", "2.png"):
        put(tmp_path, name)
        values = list(os.stat(tmp_path / name))
        values[1], values[3] = 0, 2
        walk._add(name, os.stat_result(values))
    assert [file.path for file in walk.once()] == ["1.png", "2.png"]


def test_what_is_left_out_is_told_by_kind_with_an_example(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(20)))
    put(tmp_path, *(f"{i}.jfif" for i in range(30)), *(f"x/{i}.TGA" for i in range(5)))
    put(tmp_path, "README", "@eaDir/0.png/thumb.jpg", "__MACOSX/0.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    found = listing.read(tmp_path)
    assert len(found.files) == 50
    assert found.describe_left_out() == (
        "5 .tga files (such as x/0.TGA), 1 @eaDir folders (such as @eaDir), 1 __MACOSX folders"
        " (such as __MACOSX), 1 files without a suffix (such as README), 1 links to nothing"
        " (such as gone.png), 1 pipes, sockets or devices (such as pipe.png)"
    )
    put(tmp_path, "a.txt", "b.txt", "a.json")
    assert listing.read(tmp_path).describe_left_out().endswith("2 of 2 more kinds")


def test_a_folder_that_may_not_be_listed_is_an_error(tmp_path, monkeypatch):
    """It would be a class that is missing in silence."""
    put(tmp_path, "a/1.png", "b/2.png")
    scan = os.scandir

    def forbidden(place):
        if place.endswith("b"):
            raise PermissionError(13, "Permission denied", place)
        return scan(place)

    monkeypatch.setattr(listing.os, "scandir", forbidden)
    with pytest.raises(PermissionError):
        listing.read(tmp_path)


def test_names_that_are_no_utf_8_are_listed(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(name, "wb"):
        pass
    (file,) = listing.read(tmp_path).files
    assert os.fsencode(file.path) == b"caf\xe9.png"
