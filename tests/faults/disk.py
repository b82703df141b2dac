"""Disks that are full or read-only, as small file systems that are mounted for it."""

from tests.faults import harms
from tests.faults.fault import Fault

ROOM = r"has room for|No space left on device|cannot be written"
LIMIT = "File too large|cannot be written"
# The program looks for room before a checkpoint; without that the disk fills in the middle.
BLIND = harms.before(
    "ddpm_jax.training.checkpoints:Checkpoints.check_room", lambda: None
)


def _blind(place):
    """Nobody looks for room before a save."""
    from unittest import mock

    from ddpm_jax.training.checkpoints import Checkpoints

    return mock.patch.object(Checkpoints, "check_room", lambda *_: None)


def _full() -> tuple[Fault, ...]:
    faults = [
        Fault(
            f"a disk with {size} left",
            "train",
            start,
            ROOM,
            around=harms.disk(size),
            statuses=(1, 2),
        )
        for start in ("new", "begun")
        for size in ("4k", "64k", "256k")
    ]
    faults += [
        Fault(
            f"a disk with {size} left, which is noticed in the middle of a save",
            "train",
            "begun",
            ROOM,
            around=harms.disk(size),
            inside=_blind,
        )
        for size in ("16k", "32k", "48k", "64k", "80k", "96k", "128k", "160k")
    ]
    faults += [
        Fault(f"a disk with {size} left", command, start, ROOM, around=harms.disk(size))
        for command, start in (("eval", "done"), ("sample", "done"))
        for size in ("0k", "4k", "8k")
    ]
    faults += [
        Fault(
            f"no file beyond {num} bytes",
            command,
            start,
            LIMIT,
            inside=harms.files_of_at_most(num),
        )
        for command, start, num in (
            ("train", "begun", 6000),
            ("eval", "done", 600),
            ("sample", "done", 200),
        )
    ]
    return tuple(faults)


def _read_only() -> tuple[Fault, ...]:
    here = {"around": harms.read_only()}
    elsewhere = "{home}/elsewhere"
    faults = [
        Fault("a read-only workdir", "train", "begun", "Read-only", **here),
        Fault("a read-only workdir", "eval", "done", r"config\.eval\.folder", **here),
        Fault(
            "a read-only workdir", "sample", "done", r"config\.sample\.folder", **here
        ),
        Fault("a read-only workdir", "reference", "done", "quality.reference", **here),
        Fault(
            "a read-only workdir, and the reference elsewhere",
            "reference",
            "done",
            r"features each: .*elsewhere",
            statuses=(0,),
            more=(f"--config.eval.quality.reference={elsewhere}/r.npz",),
            **here,
        ),
        Fault(
            "a read-only workdir, and eval.folder",
            "eval",
            "done",
            r"bits per dim.*elsewhere/eval/6\.json",
            statuses=(0,),
            more=(f"--config.eval.folder={elsewhere}",),
            **here,
        ),
        Fault(
            "a read-only workdir, and sample.folder",
            "sample",
            "done",
            r"8 samples in .*elsewhere",
            statuses=(0,),
            more=(f"--config.sample.folder={elsewhere}",),
            **here,
        ),
        Fault(
            "a read-only workdir, sample.folder, and a variance to be estimated",
            "sample",
            "done",
            "the next start estimates it again",
            statuses=(0,),
            more=(
                f"--config.sample.folder={elsewhere}",
                "--config.sample.ancestral.variance=analytic",
                "--config.sample.ancestral.num_examples=8",
            ),
            **here,
        ),
        Fault(
            "a read-only workdir",
            "compare",
            "evaluated",
            "bits/dim",
            statuses=(0,),
            **here,
        ),
        Fault(
            "an eval.folder that is a file",
            "eval",
            "done",
            r"config\.eval\.folder",
            more=("--config.eval.folder={run}/config.json",),
            mend=None,
        ),
        Fault(
            "an eval.folder of another run",
            "eval",
            "done",
            r"config\.eval\.folder = .*another config",
            more=("--config.eval.folder={home}/judge",),
            mend=None,
        ),
    ]
    return tuple(faults)


FAULTS = (*_full(), *_read_only()) if harms.can_mount() else ()
