"""Identities of data: whether two are of the same images, and in what they differ.

An identity is a flat table for a report: name, version, split, resizing, num_examples and,
where files could change, contents. A digest of contents tells more than the path that the data
had, so that a folder may move. Reports of earlier versions have none: the rest decides.
"""

from collections.abc import Mapping
from typing import Any

NAME, CONTENTS = "name", "contents"
Identity = Mapping[str, Any]


def differences(ours: Identity, theirs: Identity) -> dict[str, tuple[Any, Any]]:
    """The fields in which two identities differ: field -> our value, their value.

    Empty where both are of the same images, as far as both say.
    """
    return {
        field: (ours.get(field), theirs.get(field))
        for field in dict.fromkeys((*ours, *theirs))
        if not _is_same(field, ours, theirs)
    }


def is_certain(ours: Identity, theirs: Identity) -> bool:
    """Whether both say what their contents are, or neither does."""
    return (CONTENTS in ours) == (CONTENTS in theirs)


def _is_same(field: str, ours: Identity, theirs: Identity) -> bool:
    if ours.get(field) == theirs.get(field):
        return True
    both = CONTENTS in ours and CONTENTS in theirs
    if field == CONTENTS:
        return not both
    if field == NAME and both and ours[CONTENTS] == theirs[CONTENTS]:
        kinds = {
            str(identity.get(NAME)).partition(":")[0] for identity in (ours, theirs)
        }
        return len(kinds) == 1
    return False
