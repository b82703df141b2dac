"""Calls of the operating system that fail: of every file that a command reads or writes."""

import errno

from tests.faults import harms
from tests.faults.fault import Fault

REASONS = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EACCES: "Permission denied",
    errno.EROFS: "Read-only file system",
    errno.EIO: "Input/output error",
    errno.ESTALE: "Stale file handle",
    errno.EMFILE: "Too many open files",
    errno.ENOENT: "No such file",
    errno.EPERM: "Operation not permitted",
}
FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EROFS,)
UNREADABLE = (errno.EACCES, errno.ESTALE, errno.EMFILE)

# (command, start, call, pattern of paths, mode of open, errors)
TABLE = (
    ("train", "new", "open", r"/run/\.lock", "a", (*FULL, *DENIED)),
    ("train", "new", "mkdir", r"/run/checkpoints", "", (*FULL, *DENIED)),
    ("train", "new", "open", r"/config\.json", "w", (*FULL, *DENIED)),
    ("train", "begun", "replace", r"/config\.json", "", (errno.EIO, errno.EPERM)),
    ("train", "new", "open", r"/parameters\.txt", "w", (*FULL, *DENIED)),
    ("train", "begun", "open", r"/metrics\.jsonl", "a", (*FULL, *DENIED)),
    ("train", "begun", "open", r"/speed\.jsonl", "a", (errno.ENOSPC, errno.EACCES)),
    ("train", "begun", "open", r"/eval/4\.json", "w", (errno.ENOSPC, errno.EDQUOT)),
    ("train", "begun", "open", r"/eval/4_.*npz", "w", (errno.ENOSPC, errno.EACCES)),
    ("train", "begun", "open", r"/samples/4\.npz", "w", (errno.ENOSPC, errno.EDQUOT)),
    ("train", "begun", "replace", r"/samples/4\.png", "", (errno.ENOSPC, errno.EACCES)),
    ("train", "begun", "open", r"/run/config\.json", "r", UNREADABLE),
    ("train", "begun", "open", r"/run/metrics\.jsonl", "r", UNREADABLE),
    ("train", "begun", "list", r"/run/checkpoints", "", (errno.EACCES, errno.EIO)),
    ("train", "begun", "open", r"faults/config\.py", "r", (errno.EACCES, errno.EIO)),
    ("eval", "done", "open", r"/run/config\.json", "r", UNREADABLE),
    ("eval", "done", "mkdir", r"/eval/unfinished", "", (*FULL, *DENIED)),
    ("eval", "done", "open", r"/unfinished/.*npz", "w", (*FULL, *DENIED)),
    ("eval", "done", "open", r"/eval/6\.json", "w", (*FULL, *DENIED)),
    ("eval", "done", "open", r"/eval/6_str.*npz", "w", FULL),
    ("eval", "done", "replace", r"/eval/6_.*png", "", (errno.ENOSPC, errno.EACCES)),
    ("sample", "done", "open", r"/run/config\.json", "r", UNREADABLE),
    ("sample", "done", "mkdir", r"/samples/6_", "", (*FULL, *DENIED)),
    ("sample", "done", "open", r"/samples\.json", "w", (*FULL, *DENIED)),
    ("sample", "done", "open", r"/00001\.npz", "w", (*FULL, *DENIED)),
    ("sample", "done", "replace", r"/00002\.npz", "", (errno.ENOSPC, errno.EDQUOT)),
    ("sample", "done", "open", r"/6_ancestral_4\.png", "w", FULL),
    ("sample", "sampled", "open", r"/samples\.json", "r", UNREADABLE),
    ("sample", "sampled", "open", r"/00000\.npz", "r", UNREADABLE),
    ("reference", "done", "open", r"/reference/.*npz", "w", (*FULL, *DENIED)),
    ("reference", "done", "open", r"/judge/config\.json", "r", UNREADABLE),
    ("compare", "evaluated", "open", r"/eval/6\.json", "r", UNREADABLE),
    ("compare", "evaluated", "open", r"/eval/6_.*npz", "r", UNREADABLE),
    ("compare", "evaluated", "open", r"/compared\.png", "w", (*FULL, *DENIED)),
)


def _all() -> tuple[Fault, ...]:
    faults = []
    for command, start, call, path, mode, numbers in TABLE:
        for i, number in enumerate(numbers):
            what = f"{call} of {path}: {errno.errorcode[number]}"
            inside = harms.fails(call, path, number, mode)
            # What is left is the same whatever the reason was.
            mend = () if i == 0 else None
            fault = Fault(
                what, command, start, REASONS[number], None, inside, mend=mend
            )
            faults.append(fault)
    for command, start in (("train", "begun"), ("eval", "done"), ("sample", "done")):
        for number in FULL:
            inside = harms.fails("fsync", "", number)
            what = f"fsync: {errno.errorcode[number]}"
            faults.append(Fault(what, command, start, REASONS[number], inside=inside))
    for number in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
        what = f"flock: {errno.errorcode[number]}"
        says = "file system without locks"
        inside = harms.no_locks(number)
        faults.append(Fault(what, "train", "begun", says, inside=inside, statuses=(0,)))
    return tuple(faults)


FAULTS = _all()
