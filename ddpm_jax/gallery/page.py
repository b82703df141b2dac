"""The page of the gallery: plain HTML and CSS, which needs no network and no script."""

import html as escaping
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TITLE = "What diffusion does to a density"
LEAD = (
    "Figures of a laboratory of densities on a line, where everything that a diffusion"
    " model learns can be computed: each with the theorem behind it and its numbers."
)
# Words of texts, escaped, and the signs that are printed for them.
SIGNS = {
    "beta~": "&beta;&#771;",
    **{name: f"&{name};" for name in ("alpha", "beta", "eta", "lambda", "sigma", "pi")},
    **{"eps": "&epsilon;", "sqrt": "&radic;", "infinity": "&infin;"},
    **{"&lt;=": "&le;", "&gt;=": "&ge;", "-&gt;": "&rarr;"},
}
# In the dark, pictures are shown as negatives whose hues stay.
CSS = """
:root { color-scheme: light dark; --ink: #1d2127; --soft: #5c6470; --line: #e1e4e9;
  --paper: #ffffff; --page: #f6f7f9; --link: #0b5fa5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a0a7b2; --line: #31353c; --paper: #16181c;
    --page: #0f1113; --link: #74b6ee; }
  img { filter: invert(0.91) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, header { max-width: 62rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .5rem; }
header p, .theorem, .files, td:first-child { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1.2rem 0 1.6rem; }
nav a { border: 1px solid var(--line); border-radius: 1rem; padding: .15rem .7rem;
  background: var(--paper); text-decoration: none; font-size: .88rem; }
a { color: var(--link); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .7rem;
  padding: 1.3rem 1.4rem 1rem; margin: 0 0 1.4rem; }
section p { max-width: 46rem; margin: 0 0 .8rem; }
figure { margin: .6rem 0 .9rem; overflow-x: auto; }
img { display: block; width: 100%; min-width: 36rem; height: auto; }
.theorem { font-size: .92rem; border-left: 3px solid var(--line); padding-left: .8rem; }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0 .8rem; }
td { padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td:last-child { font-variant-numeric: tabular-nums; padding-right: 0; }
sub, sup { line-height: 0; }
.files { font-size: .85rem; margin: 0; }
.failed { color: #c0392b; }
@media (max-width: 40rem) { section { padding: 1rem .9rem .8rem; }
  main, header { padding-left: .6rem; padding-right: .6rem; } }
"""


class Plate(NamedTuple):
    """A figure as the page shows it.

    Attributes:
      title, sentence, theorem, alt: its words.
      table: its key numbers, each a label and a text.
      size: width and height of the picture, pixels.
      config: the fields that it was made with, by name.
    """

    title: str
    sentence: str
    theorem: str
    alt: str
    table: Sequence[Sequence[str]]
    size: Sequence[int]
    config: Mapping[str, Any]


def html(plates: Mapping[str, Plate], failures: Mapping[str, str]) -> str:
    """The page.

    Args:
      plates: the figures by name, in their order.
      failures: why a figure could not be made this time, by its name.
    """
    names = {name: plate.title for name, plate in plates.items()}
    names |= {name: name for name in failures if name not in names}
    links = "".join(f'<a href="#{n}">{formatted(t)}</a>' for n, t in names.items())
    sections = "".join(
        _section(name, plates.get(name), failures.get(name)) for name in names
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{TITLE}</title>
<style>{CSS}</style>
</head>
<body>
<header>
<h1>{TITLE}</h1>
<p>{LEAD}</p>
<nav>{links}</nav>
</header>
<main>
{sections}</main>
</body>
</html>
"""


def made_with(config: Mapping[str, Any]) -> str:
    """Density, grid and seed of a figure, as the fields of its config say them."""
    said = []
    density = config.get("density")
    if density is not None:
        options = config.get(density, {})
        inside = ", ".join(f"{name} = {value}" for name, value in options.items())
        said.append(f"density: {density} ({inside})")
    if "grid" in config:
        grid = config["grid"]
        said.append(f"grid: {grid['num']} points, {grid['low']:g} to {grid['high']:g}")
    if "seed" in config:
        said.append(f"seed: {config['seed']}")
    return "; ".join(said)


def formatted(text: str) -> str:
    """A text as HTML, in which z_{t-1}, s^2, alpha and sqrt are written as in print."""
    safe = escaping.escape(text)
    for word, sign in SIGNS.items():
        safe = re.sub(rf"(?<![A-Za-z&]){word}(?![a-z])", sign, safe)
    for mark, tag in (("_", "sub"), (r"\^", "sup")):
        pattern = rf"(?<=[\w)\]|;>]){mark}(?:\{{([^}}]*)\}}|(\w))"
        safe = re.sub(pattern, rf"<{tag}>\1\2</{tag}>", safe)
    return safe


def _section(name: str, plate: Plate | None, failure: str | None) -> str:
    parts = [f'<section id="{name}">']
    if failure is not None:
        said = escaping.escape(failure)
        parts.append(f'<p class="failed"><b>{name}</b> could not be made: {said}</p>')
    if plate is not None:
        width, height = plate.size
        rows = "".join(
            f"<tr><td>{formatted(label)}</td><td>{formatted(value)}</td></tr>"
            for label, value in plate.table
        )
        parts += [
            f"<h2>{formatted(plate.title)}</h2>",
            f"<p>{formatted(plate.sentence)}</p>",
            f'<figure><a href="{name}.svg"><img src="{name}.png" width="{width}"'
            f' height="{height}" alt="{escaping.escape(plate.alt)}"></a></figure>',
            f'<p class="theorem">{formatted(plate.theorem)}</p>',
            f"<table>{rows}</table>",
            f'<p class="files">{escaping.escape(made_with(plate.config))}</p>',
            f'<p class="files"><a href="{name}.svg">SVG</a> ·'
            f' <a href="{name}.json">JSON</a> · <code>--figures={name}</code></p>',
        ]
    return "\n".join([*parts, "</section>", ""])
