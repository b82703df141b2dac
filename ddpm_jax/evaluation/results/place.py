"""The folder of evaluations on other data than a run's own, beside which they lie.

It is like a workdir, with an eval/ and a reference/ of its own, so that no figure takes another
one's place or stands among its rows, and `compare` reads it as it reads a workdir.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from etils import epath

from ddpm_jax.data.identity import differences

FOLDER = "on"
# Characters of the digest that tells apart data of one name.
NUM_DIGITS = 6


def of_other_data(
    workdir: epath.Path, identity: Mapping[str, Any], train_split: str
) -> epath.Path:
    """The folder of evaluations of a workdir's run on data of this identity.

    Args:
      workdir: the run's folder.
      identity: identity of the whole split that is evaluated.
      train_split: the split that samples are compared with.
    """
    kind, _, argument = str(identity["name"]).partition(":")
    named = [kind, argument.rstrip("/").rpartition("/")[2], str(identity["split"])]
    plain = re.sub(r"[^\w.+-]+", "_", "_".join(part for part in named if part))
    text = json.dumps([dict(identity), train_split], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:NUM_DIGITS]
    return workdir / FOLDER / f"{plain}_{digest}"


def is_of_other_data(report: epath.Path, identity: Mapping[str, Any]) -> bool:
    """Whether a report is there, and of another data set or split than this identity."""
    try:
        data = dict(json.loads(report.read_text())["convention"]["data"])
        # Of a part of a split, the split's name stands before a comma.
        data["split"] = str(data["split"]).partition(", ")[0]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool({"name", "split"} & differences(identity, data).keys())
