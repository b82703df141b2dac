"""An album: figures written into a folder, and the page that shows them in order."""

import json
import time
from collections.abc import Mapping
from typing import Any

from absl import logging
from etils import epath

from ddpm_jax.core import files, outside, progress
from ddpm_jax.core.errors import ConfigError, as_config_errors
from ddpm_jax.gallery import encoding, page
from ddpm_jax.gallery.figure import Figure, Setting

PAGE = "index.html"


def make(
    folder: epath.Path,
    figures: Mapping[str, Figure],
    setting: Setting,
    order: list[str],
    settings: Mapping[str, Any],
) -> dict[str, str]:
    """Makes figures and the page of all that the folder then has.

    Args:
      folder: where NAME.png, NAME.svg, NAME.json and index.html go.
      figures: the figures to make, by name.
      setting: their common input.
      order: the names of all figures there are, as the page is to show them.
      settings: what stands in each figure's file of how it was made, by name.

    Returns:
      Why a figure could not be made, by its name; empty where all could.
    """
    failures: dict[str, str] = {}
    try:
        with progress.Bar("figures", len(figures)) as bar:
            for name, figure in figures.items():
                start = time.monotonic()
                try:
                    write(folder, name, figure, setting, settings[name])
                except Exception as error:
                    failures[name] = _reason(name, error)
                else:
                    logging.info("%s: %.1f s", name, time.monotonic() - start)
                bar.update()
    finally:
        files.write(folder / PAGE, page.html(_plates(folder, order), failures).encode())
    return failures


def write(
    folder: epath.Path,
    name: str,
    figure: Figure,
    setting: Setting,
    made_with: Mapping[str, Any],
) -> None:
    """Makes a figure and writes its three files, that of its numbers last."""
    # What an operator refuses, such as a step finer than the grid, is the user's to change.
    with as_config_errors():
        numbers = encoding.plain(dict(figure.compute(setting)))
    caption = figure.tell(numbers)
    drawing = figure.draw(numbers)
    png, size = encoding.png(drawing)
    files.write(folder / f"{name}.png", png)
    files.write(folder / f"{name}.svg", encoding.svg(drawing))
    record = {
        "title": figure.title,
        "sentence": caption.sentence,
        "theorem": figure.theorem,
        "alt": caption.alt,
        "table": caption.table,
        "size": size,
        "config": encoding.plain(dict(made_with)),
        "numbers": numbers,
    }
    files.write(folder / f"{name}.json", encoding.dumped(record))


def _reason(name: str, error: Exception) -> str:
    """Why a figure could not be made, in one line, which is logged; a fault with its trace."""
    if isinstance(error, ConfigError):
        line: str | None = str(error)
    else:
        line = outside.line(error)
    if line is None:
        logging.exception("%s could not be made", name)
        return f"{type(error).__name__}: {error}"
    logging.error("%s could not be made: %s", name, line)
    return line


def _plates(folder: epath.Path, order: list[str]) -> dict[str, page.Plate]:
    """What the page shows of the figures whose files are all in the folder."""
    plates = {}
    for name in order:
        file = folder / f"{name}.json"
        if not all((folder / f"{name}.{end}").exists() for end in ("png", "svg")):
            continue
        try:
            record = json.loads(file.read_text())
            plates[name] = page.Plate(**{k: record[k] for k in page.Plate._fields})
        except OSError:
            continue
        except (ValueError, KeyError, TypeError):
            logging.warning("%s is no file of this gallery: it is left out", file)
    return plates
