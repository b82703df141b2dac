"""Numbers as JSON, and drawings as PNG and SVG: the same bytes for the same input."""

import io
import json
import math
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from PIL import Image

from ddpm_jax.gallery import style

# Significant digits of a number in a file: more than any drawing shows, fewer than differ
# between two machines.
DIGITS = 6
# Of the images within an SVG, dots per inch.
SVG_DPI = 100
_PATH, _DECIMALS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d\d)\d+")


def plain(value: Any) -> Any:
    """Arrays, tuples and numpy's numbers as JSON knows them; what is not finite as None."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def dumped(value: Any) -> bytes:
    """The content of a JSON file: a line for each entry, arrays without line breaks."""
    lines = [f"  {json.dumps(k)}: {_inner(v)}" for k, v in value.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _inner(value: Any) -> str:
    """An entry, of which a group has a line for each of its own."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if not isinstance(value, dict) or len(text) < 80:
        return text
    lines = [
        f"    {json.dumps(k)}: {json.dumps(v, allow_nan=False, ensure_ascii=False)}"
        for k, v in value.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n  }"


def png(drawing: Drawing) -> tuple[bytes, tuple[int, int]]:
    """The content of a PNG file, and its width and height; it lays the drawing out for good."""
    drawing.set_dpi(style.DPI)
    with matplotlib.rc_context(style.RC):
        canvas = FigureCanvasAgg(drawing)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    drawing.set_layout_engine("none")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue(), picture.size


def svg(drawing: Drawing) -> bytes:
    """The content of an SVG file, without a date and with names that do not change."""
    drawing.set_dpi(SVG_DPI)
    buffer = io.BytesIO()
    with matplotlib.rc_context(style.RC):
        canvas = FigureCanvasSVG(drawing)
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    # Matplotlib writes coordinates to a millionth of a point.
    return _PATH.sub(lambda path: _DECIMALS.sub(rb"\1", path[0]), buffer.getvalue())
