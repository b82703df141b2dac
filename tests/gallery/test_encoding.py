"""Files of figures: plain numbers, and the same bytes for the same drawing."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.gallery import encoding, style


def drawing():
    made, panels = style.sheet(1, 2, 2.0)
    with np.errstate(all="raise"):
        panels[0, 0].plot([0.0, 1.0 / 3.0, 1.0], [0.1, 2.0 / 3.0, 0.7])
    style.heat(panels[0, 1], np.eye(4), (0.0, 1.0, 0.0, 1.0), style.FORWARD)
    style.name(panels[0, 0], "a title", "$z_t$", "density")
    return made


def test_numbers_are_plain_short_and_finite():
    given = {
        "array": np.array([[1.0 / 3.0, np.inf], [np.nan, 2.0]]),
        "number": np.float64(123456.789),
        "whole": np.int64(7),
        "inner": {1: (True, None, "text")},
    }
    assert encoding.plain(given) == {
        "array": [[0.333333, None], [None, 2.0]],
        "number": 123457.0,
        "whole": 7,
        "inner": {"1": [True, None, "text"]},
    }


def test_json_is_what_was_given_and_has_a_line_for_each_entry():
    given = {"title": "ü", "numbers": {"x": list(range(40)), "y": [0.5] * 40}, "n": {}}
    data = encoding.dumped(given)
    assert json.loads(data) == given
    assert [line.split(":")[0].strip() for line in data.decode().splitlines()] == [
        *("{", '"title"', '"numbers"', '"x"', '"y"', "},", '"n"', "}")
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoding.dumped({"x": float("nan")})


def test_pictures_are_valid_and_the_same_each_time():
    first, second = drawing(), drawing()
    png, size = encoding.png(first)
    assert Image.open(io.BytesIO(png)).size == size == (1280, 320)
    assert (png, size) == encoding.png(second)
    svg = encoding.svg(first)
    assert svg == encoding.svg(second)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert b"<dc:date>" not in svg and b"data:image/png" in svg


def test_coordinates_in_an_svg_have_two_decimals():
    made = drawing()
    encoding.png(made)
    paths = re.findall(rb' d="([^"]*)"', encoding.svg(made))
    assert max(len(d) for p in paths for d in re.findall(rb"\.(\d+)", p)) == 2
