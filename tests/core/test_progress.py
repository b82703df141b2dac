"""The bar: on a terminal alone, and as far as the work is."""

import io
import sys

from ddpm_jax.core import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_a_terminal(monkeypatch):
    """What a terminal shows from now on; in a fixture, pytest would take it back."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def used(**options):
    with progress.Bar("drawing", 8, **options) as bar:
        bar.update(2)
        bar.inner(3, 5)
        return bar


def test_a_terminal_sees_how_far_it_is(monkeypatch):
    shown = on_a_terminal(monkeypatch)
    bar = used(initial=4)
    assert bar._bar.n == 6 and bar._bar.total == 8
    said = shown.getvalue()
    assert "drawing" in said and "3/5 of this batch" in said and "6/8" in said


def test_elsewhere_nothing_is_said(capsys):
    assert used()._bar.disable
    assert capsys.readouterr().err == ""


def test_the_caller_may_be_a_process_that_is_not_the_first(monkeypatch):
    shown = on_a_terminal(monkeypatch)
    used(shown=False)
    assert shown.getvalue() == ""


def test_outside_of_its_block_a_bar_does_nothing():
    bar = progress.Bar("drawing", 8)
    bar.update()
    bar.inner(1, 2)
