"""Folders of images with broken, odd and vanishing files."""

import errno
import os
import pathlib

from tests.faults import harms
from tests.faults.fault import Fault, Harm

DATA = ("--config.data.name=folder:pictures",)
SKIP = ("--config.data.skip_broken=True",)
PNG, JPG, GIF, BMP = (
    f"pictures/train/a/{name}" for name in ("00.png", "02.jpg", "04.gif", "06.bmp")
)
BROKEN = {
    "is empty": harms.empty,
    "is cut in half": harms.halve,
    "is cut to 40 bytes": harms.cut_to(40),
    "is no image": harms.text("an image"),
}
REMEDY = r"image a/.*cannot be read.*skip_broken=True, and run the same command again"


def _drawn(size: int, mode: str):
    """Puts another image there."""

    def how(path: pathlib.Path) -> None:
        from PIL import Image

        Image.new(mode, (size, size)).save(path, format="png")

    return how


def _latin_1(path: pathlib.Path) -> None:
    """Its name becomes one that is no UTF-8."""
    os.rename(path, os.fsencode(path.parent) + b"/caf\xe9.png")


def _latin_1_and_cut(path: pathlib.Path) -> None:
    harms.halve(path)
    _latin_1(path)


def _fault(what: str, says: str, command: str = "train", **given) -> Fault:
    given.setdefault("more", DATA)
    return Fault(what, command, "pictures", says, **given)


def _goes_on(what: str, harm: Harm) -> Fault:
    """A fault after which the command goes on without the file."""
    return _fault(f"{what}, and is left out", REMEDY, around=harm, mend=SKIP)


FAULTS: tuple[Fault, ...] = (
    *(
        _fault(f"{PNG} {what}", REMEDY, around=harms.damage(PNG, how))
        for what, how in BROKEN.items()
    ),
    _fault(
        "an image has changed since the run was begun",
        r"1 file changed \(such as a/02\.jpg\)",
        around=harms.damage(JPG, harms.empty),
    ),
    *(
        Fault(
            f"{file} {what} from the start",
            "train",
            "new",
            REMEDY,
            around=harms.damage(file, how),
            more=DATA,
        )
        for file in (JPG, GIF, BMP)
        for what, how in BROKEN.items()
    ),
    *(
        _goes_on(f"{file} {what}", harms.spoil(file, BROKEN[what]))
        for file, what in ((PNG, "is cut to 40 bytes"), (PNG, "is empty"))
    ),
    _fault(
        "an image for testing is cut",
        r"image a/.*cannot be read",
        around=harms.damage("pictures/test/a/00.png", harms.halve),
    ),
    _fault(
        "an image for testing is cut",
        r"image a/.*cannot be read",
        "eval",
        around=harms.damage("pictures/test/a/00.png", harms.halve),
    ),
    _fault(
        "an image is cut, which another process reads",
        r"image a/.*cannot be read",
        around=harms.damage(PNG, harms.halve),
        more=(*DATA, "--config.data.num_workers=1"),
    ),
    _fault(
        "an image vanishes while the run goes on",
        r"image a/.*(cannot be read|No such file)",
        inside=harms.while_it_runs(PNG, harms.remove, 20),
        mend=None,
    ),
    _fault(
        "all images vanish while the run goes on",
        r"image .*(cannot be read|No such file)",
        inside=harms.while_it_runs("pictures/train", harms.remove, 20),
        mend=None,
    ),
    _fault(
        "a file is cut while the run goes on",
        r"image a/.*cannot be read",
        inside=harms.while_it_runs(PNG, harms.empty, 20),
        mend=None,
    ),
    *(
        _fault(
            f"images are not readable: {errno.errorcode[number]}",
            rf"{os.strerror(number)}",
            inside=harms.fails("open", r"pictures/.*/0\d\.png", number),
        )
        for number in (errno.EACCES, errno.EIO, errno.ESTALE)
    ),
    _fault(
        "the folder is gone",
        "there is no folder",
        around=harms.damage("pictures", harms.remove),
    ),
    _fault(
        "the folder is not readable",
        "Permission denied",
        inside=harms.fails("list", "pictures", errno.EACCES),
    ),
    _fault(
        "the folder is a file",
        "no folder",
        around=harms.damage("pictures", lambda p: (harms.remove(p), p.write_text(""))),
    ),
    _fault(
        "the images for training are gone",
        r"train",
        around=harms.damage("pictures/train", harms.remove),
    ),
    Fault(
        "the name of an image is no UTF-8",
        "train",
        "new",
        "step 6",
        around=harms.spoil(PNG, _latin_1),
        statuses=(0,),
        more=DATA,
    ),
    Fault(
        "an image whose name is no UTF-8 is cut",
        "train",
        "new",
        r"image a/caf.*cannot be read",
        around=harms.spoil(PNG, _latin_1_and_cut),
        more=DATA,
        mend=None,
    ),
    _fault(
        "an image is larger than the others",
        r"image a/.*(shape|pixels|size)|images of the shape",
        around=harms.damage(PNG, _drawn(16, "RGB")),
        mend=None,
    ),
    _fault(
        "an image has 16 bits a channel",
        r"image a/.*8 bits",
        around=harms.damage(PNG, _drawn(8, "I;16")),
        mend=None,
    ),
)
