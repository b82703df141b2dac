"""What the content of image files says: digests and sizes, of all or of a fixed sample.

A file is read once. What it said is kept under its size and the time of its last change, in the
user's cache folder ($XDG_CACHE_HOME, else ~/.cache), where it may be removed at any time:
nothing is ever written beside the data.
"""

import functools
import hashlib
import io
import json
import os
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from etils import epath

from ddpm_jax.core import files as file_writer
from ddpm_jax.core import image_reader
from ddpm_jax.data.listing import File

# A split of more files or bytes than these is known by a sample of it.
MOST_FILES, MOST_BYTES = 20_000, 2**30
NUM_THREADS = 16
# A file that has just been written may be written again at the same time of its clock.
TOO_NEW = 2.0
UNREADABLE = "unreadable"
CACHE_FOLDER, FORMAT = "ddpm_jax/image_files", 1


class Facts(NamedTuple):
    """What the content of a file says.

    Attributes:
      digest: the first half of its SHA-256, or `UNREADABLE`.
      height: in pixels, when upright; 0 if it is not known.
      width: likewise.
      holds_several: whether it holds several images.
    """

    digest: str
    height: int
    width: int
    holds_several: bool


class Contents:
    """The contents of some files of a folder, of which none is read twice.

    Attributes:
      files: the files, with their paths below the folder.
      looked_at: those that are looked at, all or a sample.
    """

    def __init__(self, root: str | os.PathLike[str], files: Sequence[File]) -> None:
        self.files, self.looked_at = files, sample(files)
        self._root = os.path.realpath(root)
        name = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:32]
        folder = _cache_folder()
        self._file = folder / f"{name}.json" if folder else None
        self._known = self._read_cache()

    @functools.cached_property
    def facts(self) -> Mapping[str, Facts]:
        """The facts of the files that are looked at, by path."""
        return self.of(self.looked_at)

    def digest(self, class_names: Sequence[str]) -> str:
        """A digest of names, sizes, contents where looked at, and classes in their order."""
        whole = hashlib.sha256(json.dumps(list(class_names)).encode())
        for file in self.files:
            facts = self.facts.get(file.path)
            content = (facts.digest if facts else "-").encode()
            path = os.fsencode(file.path)
            whole.update(b"\n%s\0%d\0%s" % (path, file.size, content))
        return whole.hexdigest()[:32]

    def of(self, files: Iterable[File]) -> dict[str, Facts]:
        """The facts of files, by path; those not known yet are read."""
        wanted = list(files)
        unknown = [file for file in wanted if self._lookup(file) is None]
        if not unknown:
            return {file.path: Facts(*self._known[file.path][2:]) for file in wanted}
        with ThreadPoolExecutor(NUM_THREADS) as threads:
            facts_read = list(threads.map(self._read, unknown))
        read = dict(zip((file.path for file in unknown), facts_read, strict=True))
        newest = (time.time() - TOO_NEW) * 1e9
        kept = {
            file.path: [file.size, file.time, *read[file.path]]
            for file in unknown
            if file.time < newest and read[file.path].digest != UNREADABLE
        }
        if kept:
            self._known |= kept
            self._write_cache()
        return {
            file.path: read.get(file.path) or Facts(*self._known[file.path][2:])
            for file in wanted
        }

    def _lookup(self, file: File) -> list | None:
        kept = self._known.get(file.path)
        return kept if kept is not None and kept[:2] == [file.size, file.time] else None

    def _read(self, file: File) -> Facts:
        try:
            with open(os.path.join(self._root, file.path), "rb") as stream:
                data = stream.read()
        except OSError:
            return Facts(UNREADABLE, 0, 0, False)
        digest = hashlib.sha256(data).hexdigest()[:32]
        try:
            with image_reader.opened(io.BytesIO(data)) as header:
                return Facts(digest, *header.shape, header.holds_several)
        except Exception:  # A broken file, of which the reader of images tells.
            return Facts(digest, 0, 0, False)

    def _read_cache(self) -> dict[str, list]:
        try:
            assert self._file is not None
            stored = json.loads(self._file.read_bytes())
            if stored["format"] != FORMAT:
                return {}
            # One that is damaged is as good as none.
            return {
                path: kept
                for path, kept in stored["files"].items()
                if len(kept) == 2 + len(Facts._fields)
            }
        except Exception:
            return {}

    def _write_cache(self) -> None:
        if self._file is None:
            return
        data = json.dumps({"format": FORMAT, "files": self._known}).encode()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            file_writer.replace_bytes(epath.Path(self._file), data)
        except OSError:  # Without room or permission, files are read again.
            pass


def sample(files: Sequence[File]) -> list[File]:
    """The files whose contents are looked at, in order: all, or those of the least hashes.

    So a file is in the sample whatever others come or go, but for the last few.
    """
    if len(files) <= MOST_FILES and sum(file.size for file in files) <= MOST_BYTES:
        return list(files)
    hashed = sorted(files, key=lambda f: hashlib.sha256(os.fsencode(f.path)).digest())
    chosen: set[str] = set()
    num_bytes = 0
    for file in hashed[:MOST_FILES]:
        num_bytes += file.size
        if num_bytes > MOST_BYTES and chosen:
            break
        chosen.add(file.path)
    return [file for file in files if file.path in chosen]


def copies(first: Contents, second: Contents) -> tuple[list[tuple[str, str]], int]:
    """The files of the second folder whose content is in the first, too.

    Only files of one size are looked at, and of those no more than a sample.

    Returns:
      (path in the first, path in the second) of each, and the number of files of a common size
      that were not looked at for being too many.
    """
    sizes = {file.size for file in first.files} & {file.size for file in second.files}
    ones = [file for file in first.files if file.size in sizes]
    others = [file for file in second.files if file.size in sizes]
    facts, their_facts = (
        contents.facts
        if len(files) == len(contents.files)
        else contents.of(sample(files))
        for contents, files in ((first, ones), (second, others))
    )
    by_digest = {fact.digest: path for path, fact in facts.items()}
    by_digest.pop(UNREADABLE, None)
    pairs = [
        (by_digest[fact.digest], path)
        for path, fact in their_facts.items()
        if fact.digest in by_digest
    ]
    return pairs, len(ones) + len(others) - len(facts) - len(their_facts)


def _cache_folder() -> pathlib.Path | None:
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # As the standard of these folders has it, a relative path is none.
        base = (
            pathlib.Path(given)
            if os.path.isabs(given)
            else pathlib.Path.home() / ".cache"
        )
    except RuntimeError:  # This user has no home.
        return None
    return base / CACHE_FOLDER
