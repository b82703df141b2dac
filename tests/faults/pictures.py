"""Folders of images with broken, odd and vanishing files."""

from tests.faults import harms
from tests.faults.fault import Fault, Harm

DATA = ("--config.data.name=folder:{home}/pictures",)
SKIP = ("--config.data.skip_broken=True", "--config.data.accept_changes=True")
PNG, JPG, GIF, BMP = (
    f"pictures/train/a/{n}" for n in ("00.png", "02.jpg", "04.gif", "06.bmp")
)
BROKEN = {
    "is empty": harms.empty,
    "is cut in half": harms.halve,
    "is cut to 40 bytes": harms.cut_to(40),
    "is no image": harms.text("an image"),
    "is gone while the run goes on": harms.remove,
}


def _kept(harm: Harm) -> Harm:
    """The damage stays, for what goes on with it."""
    return harm


FAULTS: tuple[Fault, ...] = tuple(
    Fault(
        f"{file} {what}",
        "train",
        "pictures",
        r"image .*(cannot be read|no image)|skip_broken|sizes|shape",
        around=harms.damage(file, how),
        more=DATA,
    )
    for file in (PNG, JPG, GIF, BMP)
    for what, how in BROKEN.items()
    if "gone" not in what
)
