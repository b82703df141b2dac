"""Making figures: one that fails costs no other, and what is there stays."""

import json
import logging

import numpy as np
import pytest
from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.gallery import album, style
from ddpm_jax.gallery.figure import Caption, Figure
from tests.gallery import known

ORDER = ["first", "second", "third"]


def figure(title, wrong=None):
    """A figure of two numbers, which fails by raising."""

    def compute(setting):
        if wrong is not None:
            raise wrong
        return {"x": np.array([0.0, float(setting.seed)])}

    @style.in_style
    def draw(numbers):
        drawing, panels = style.sheet(1, 1, 1.0)
        panels[0, 0].plot(numbers["x"], numbers["x"])
        return drawing

    return Figure(
        title,
        "a theorem",
        compute,
        lambda numbers: Caption(f"x is {numbers['x'][1]}", "a line", [("x", "1")]),
        draw,
    )


def make(folder, figures, seed=1):
    settings = {name: {"seed": seed} for name in figures}
    path = epath.Path(folder)
    return album.make(path, figures, known.setting(seed=seed), ORDER, settings)


def test_a_figure_has_its_record(tmp_path):
    assert make(tmp_path, {"first": figure("One")}) == {}
    record = json.loads((tmp_path / "first.json").read_text())
    assert record["numbers"] == {"x": [0.0, 1.0]} and record["config"] == {"seed": 1}
    assert record["sentence"] == "x is 1.0" and record["size"] == [1280, 160]


@pytest.mark.parametrize(
    "wrong, line, has_trace",
    [
        (ConfigError("config.x = 1: write 2."), "config.x = 1: write 2.", False),
        (ValueError("alpha = 2: write 1."), "alpha = 2: write 1.", False),
        (MemoryError(), "out of memory", False),
        (KeyError("own"), "KeyError: 'own'", True),
    ],
)
def test_one_that_fails_costs_no_other(tmp_path, caplog, wrong, line, has_trace):
    figures = {"first": figure("One", wrong), "second": figure("Two")}
    with caplog.at_level(logging.INFO):
        failures = make(tmp_path, figures)
    assert list(failures) == ["first"] and line in failures["first"]
    (logged,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert "first could not be made" in logged.getMessage()
    assert bool(logged.exc_info) == has_trace
    page = (tmp_path / "index.html").read_text()
    assert "<b>first</b> could not be made" in page and "Two" in page
    assert not (tmp_path / "first.json").exists()


def test_a_second_start_keeps_what_is_there_in_the_pages_order(tmp_path):
    make(tmp_path, {"third": figure("Three")})
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    make(tmp_path, {"first": figure("One")})
    page = (tmp_path / "index.html").read_text()
    assert page.index('id="first"') < page.index('id="third"')
    make(tmp_path, {"third": figure("Three")})
    for name in ("third.json", "third.png", "third.svg"):
        assert (tmp_path / name).read_bytes() == before[name]


def test_a_figure_whose_picture_is_gone_is_left_out_of_the_page(tmp_path):
    make(tmp_path, {"third": figure("Three")})
    (tmp_path / "third.png").unlink()
    make(tmp_path, {"first": figure("One")})
    assert "third" not in (tmp_path / "index.html").read_text()


def test_another_programs_file_is_left_alone(tmp_path, caplog):
    (tmp_path / "second.json").write_text('{"title": 3}')
    for end in ("png", "svg"):
        (tmp_path / f"second.{end}").write_text("a picture")
    make(tmp_path, {"first": figure("One")})
    assert "second.json is no file of this gallery" in caplog.text
    assert (tmp_path / "second.json").read_text() == '{"title": 3}'


def test_a_signal_ends_it_with_a_page_of_what_is_done(tmp_path):
    figures = {"first": figure("One"), "second": figure("Two", KeyboardInterrupt())}
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, figures)
    assert "One" in (tmp_path / "index.html").read_text()
