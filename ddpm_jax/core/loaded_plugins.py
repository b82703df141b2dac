"""The plugins of this process: their names, and the hashes of their files.

A plugin is a user's Python module with choices that the tables take in; `config.plugins` loads
it. Records of samples, figures and runs, which depend on a plugin's code, hold the hash.
"""

from typing import Any

_sha256: dict[str, str] = {}


def hashes() -> dict[str, str]:
    """SHA-256 of each plugin's file as it was loaded, by the plugin's name."""
    return dict(_sha256)


def replace(by_name: dict[str, str]) -> None:
    """Replaces the hashes that `hashes` returns."""
    _sha256.clear()
    _sha256.update(by_name)


def identity() -> dict[str, Any]:
    """The hashes as a field of a record; no field if there are no plugins."""
    return {"plugins": hashes()} if _sha256 else {}
