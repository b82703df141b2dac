"""Files that are damaged: emptied, cut, of other content, gone, or something else."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults import harms
from tests.faults.fault import Fault

How = Callable[[Path], None]
CONTENT = {
    "is empty": harms.empty,
    "is cut in half": harms.halve,
    "is no text": harms.noise,
    "holds a list": harms.a_list,
    "holds a number": harms.a_number,
}
PLACE = {
    "is gone": harms.remove,
    "is a folder": harms.a_folder,
    "is a link to nothing": harms.nowhere,
    "is a link to itself": harms.a_circle,
}
BITS = {
    "is empty": harms.empty,
    "is cut in half": harms.halve,
    "has another bit": harms.flip,
    "is gone": harms.remove,
    "is a folder": harms.a_folder,
}


def _of(
    command: str,
    start: str,
    file: str,
    says: str,
    hows: dict[str, How],
    statuses: Sequence[int] = (1, 2),
    loses: bool = False,
) -> list[Fault]:
    return [
        Fault(
            f"{file} {what}",
            command,
            start,
            says,
            around=harms.damage(file, how),
            statuses=tuple(statuses),
            loses=loses,
        )
        for what, how in hows.items()
    ]


def _all() -> tuple[Fault, ...]:
    faults: list[Fault] = []
    for command, start in (("train", "begun"), ("eval", "done"), ("sample", "done")):
        faults += _of(command, start, "run/config.json", "config.json", CONTENT)
    faults += _of("eval", "done", "run/config.json", "config.json", PLACE)
    faults += _of(
        *("train", "begun", "run/config.json", "config.json"),
        {"is a folder": harms.a_folder},
    )
    faults += _of("compare", "evaluated", "run/config.json", "config.json", CONTENT)
    faults += _of(
        "compare",
        "evaluated",
        "run/eval/6.json",
        r"6\.json",
        CONTENT | {what: how for what, how in PLACE.items() if what != "is gone"},
    )
    # The evaluation of an earlier step is the newest then.
    gone = {"is gone": harms.remove}
    faults += _of("compare", "evaluated", "run/eval/6.json", "bits/dim", gone, (0,))
    faults += _of(
        *("compare", "evaluated", "run/eval/6_stratified.npz", "npz"),
        {k: v for k, v in BITS.items() if k != "is gone"},
        (1, 2),
    )
    faults += _of("reference", "done", "judge/config.json", "judge", CONTENT | PLACE)
    # What a kill may leave is mended by the program itself.
    tolerated = {"is empty": harms.empty, "is cut in half": harms.halve}
    for file in ("run/metrics.jsonl", "run/speed.jsonl", "run/.lock"):
        faults += _of(
            "train", "begun", file, "continuing", {"is gone": harms.remove}, (0,)
        )
    faults += _of("train", "begun", "run/.lock", "continuing", CONTENT, (0,))
    for file in ("run/speed.jsonl", "run/metrics.jsonl", "run/history.jsonl"):
        faults += _of("train", "begun", file, "continuing", CONTENT, (0,))
    for file in ("run/metrics.jsonl", "run/speed.jsonl"):
        faults += _of("train", "begun", file, file[4:], {"is a folder": harms.a_folder})
    newest = "run/checkpoints/6/state/**/*"
    for file in (
        newest,
        "run/checkpoints/6/state/_METADATA",
        "run/checkpoints/6/digest/metadata",
    ):
        faults += _of(
            *("eval", "done", file, "checkpoint of step 6 is damaged|bits per dim"),
            BITS,
            (0, 1),
        )
    faults += _of(
        *("train", "done", newest, "checkpoints_damaged|continuing"),
        BITS,
        (0,),
        loses=True,
    )
    faults += _of(
        *("sample", "done", "run/checkpoints/6/state", "step 6 is damaged"),
        {"is gone": harms.remove},
        (0,),
        loses=True,
    )
    faults += _of(
        *(
            "sample",
            "sampled",
            "run/samples/6_*/samples.json",
            "/samples/",
        ),
        CONTENT | {"is gone": harms.remove, "is a folder": harms.a_folder},
    )
    faults += _of(
        *("sample", "sampled", "run/samples/6_*/00000.npz", "8 samples in|npz"),
        BITS,
        (0, 1, 2),
    )
    reference = "run/reference/classifier.npz"
    faults += _of("reference", "evaluated", reference, "features each", tolerated, (0,))
    faults += _of(
        *("reference", "evaluated", reference, "classifier.npz"),
        {"is a folder": harms.a_folder},
    )
    return tuple(faults)


FAULTS = _all()
