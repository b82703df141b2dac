"""The plugins that docs/extending.md shows, as files."""

import pathlib
import re

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs" / "extending.md"


def blocks():
    """Every block of Python in the document, by the file name in its first line."""
    found = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    return {re.match(r"# (\w+\.py)\n", text).group(1): text for text in found}


def written(folder):
    """Paths of the files, written into a folder."""
    for name, text in blocks().items():
        (folder / name).write_text(text)
    return [folder / name for name in blocks()]
