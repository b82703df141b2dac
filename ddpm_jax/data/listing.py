"""The image files below a folder, each real file once, and what is left out there.

Links are followed. A file or folder that can be reached in several ways is taken once: at its
own path if that lies below the folder, else by the first link in the order of paths. So every
walk ends, and no image is counted twice.
"""

import functools
import os
import stat
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# What Pillow decodes, and a file tells by its first bytes. (A .tga does not: one that is broken
# could not be told from an image.)
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"),
    *(".apng", ".jfif", ".jpe", ".jif", ".pjpeg", ".pjp", ".dib", ".pgm", ".pnm"),
    *(".jp2", ".avif"),
)
# Folders in which systems keep thumbnails, remains and deleted files.
FOLDERS_OF_SYSTEMS = ("@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN")
NUM_KINDS = 6  # The number of kinds of files left out that a line names.


class File(NamedTuple):
    """An image file.

    Attributes:
      path: its path below the folder, with "/".
      size: in bytes.
      time: of its last change, in ns.
    """

    path: str
    size: int
    time: int


class Listing(NamedTuple):
    """All that lies below a folder.

    Attributes:
      files: image files, sorted by their paths.
      folders: paths of folders, of at most two parts, sorted.
      left_out: paths of all else, by a word for their kind.
    """

    files: Sequence[File]
    folders: Sequence[str]
    left_out: Mapping[str, Sequence[str]]

    def describe_left_out(self) -> str:
        """What was left out, by kind with an example each; "" if nothing was."""
        kinds = sorted(self.left_out.items(), key=lambda kind: (-len(kind[1]), kind[0]))
        parts = [
            f"{len(paths)} {kind} (such as {min(paths)})"
            for kind, paths in kinds[:NUM_KINDS]
        ]
        if more := kinds[NUM_KINDS:]:
            num = sum(len(paths) for _, paths in more)
            parts.append(f"{num} of {len(more)} more kinds")
        return ", ".join(parts)


def read(root: str | os.PathLike[str]) -> Listing:
    """Lists a folder, without hidden files and folders.

    Raises:
      OSError: a folder below it cannot be listed.
    """
    walk = _Walk(os.path.realpath(root))
    walk.folder("", walk.root)
    # Folders behind links may hold links to further ones; which files are there already is
    # known when there are no more.
    to_files: list[tuple[str, str]] = []
    while walk.links:
        links, walk.links = sorted(walk.links), []
        for path, place in links:
            target = _target(place)
            if os.path.isdir(target):
                walk.linked_folder(path, target)
            else:
                to_files.append((path, target))
    for path, target in sorted(to_files):
        walk.linked_file(path, target)
    return Listing(walk.once(), sorted(walk.folders), dict(walk.left_out))


class _Walk:
    """A walk below a root, which remembers where it has been."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folders: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.left_out: defaultdict[str, list[str]] = defaultdict(list)
        self._files: list[File] = []
        # (device, number) of the files that have several names, by path.
        self._several: dict[str, tuple[int, int]] = {}
        self._walked: set[str] = set()
        self._linked: set[str] = set()

    def folder(self, path: str, place: str) -> None:
        """Walks the real folder at `place`, whose path below the root is to be `path`."""
        waiting = [(path, place)]
        while waiting:
            path, place = waiting.pop()
            if place in self._walked:
                continue
            self._walked.add(place)
            if path and path.count("/") < 2:
                self.folders.append(path)
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    inner = f"{path}/{entry.name}" if path else entry.name
                    if entry.name in FOLDERS_OF_SYSTEMS:
                        self.left_out[f"{entry.name} folders"].append(inner)
                    elif entry.is_symlink():
                        self.links.append((inner, entry.path))
                    elif entry.is_dir():
                        waiting.append((inner, entry.path))
                    elif self._is_image(inner, entry.name):
                        self._add(inner, entry.stat())

    def linked_folder(self, path: str, target: str) -> None:
        """Walks the folder that a link leads to, unless it is there already."""
        # One that holds the root leads back to it.
        is_above = os.path.commonpath([target, self.root]) == target
        if target in self._walked or is_above:
            self.left_out["links to folders that are there already"].append(path)
        else:
            self.folder(path, target)

    def linked_file(self, path: str, target: str) -> None:
        """Adds the file that a link leads to, unless it is there already."""
        folder, name = os.path.split(target)
        is_walked = folder in self._walked and not name.startswith(".")
        try:
            status = os.stat(target)
        except OSError:
            self.left_out["links to nothing"].append(path)
            return
        if not self._is_image(path, os.path.basename(path)):
            return
        if target in self._linked or (is_walked and _suffix(name) in SUFFIXES):
            self.left_out["links to files that are there already"].append(path)
            return
        self._linked.add(target)
        self._add(path, status)

    def once(self) -> list[File]:
        """The files in the order of paths, one of those that are one file by hard links."""
        known: set[tuple[int, int]] = set()
        files = []
        for file in sorted(self._files):
            key = self._several.get(file.path)
            if key in known:
                kind = "hard links to files that are there already"
                self.left_out[kind].append(file.path)
                continue
            if key is not None:
                known.add(key)
            files.append(file)
        return files

    def _is_image(self, path: str, name: str) -> bool:
        suffix = _suffix(name)
        if suffix in SUFFIXES:
            return True
        kind = f"{suffix} files" if suffix else "files without a suffix"
        self.left_out[kind].append(path)
        return False

    def _add(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self.left_out["pipes, sockets or devices"].append(path)
            return
        self._files.append(File(path, status.st_size, status.st_mtime_ns))
        # Some network file systems number no files.
        if status.st_nlink > 1 and status.st_ino:
            self._several[path] = status.st_dev, status.st_ino


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _target(place: str) -> str:
    """The real path that a link leads to, whether or not it exists."""
    folder, name = os.path.split(os.readlink(place))
    if name in ("", os.curdir, os.pardir):
        return os.path.realpath(place)
    target = os.path.join(_real(os.path.join(os.path.dirname(place), folder)), name)
    return os.path.realpath(target) if os.path.islink(target) else target


# A million links to files lie in few folders.
@functools.lru_cache(maxsize=1)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
