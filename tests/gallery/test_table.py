"""The table of figures: every one has its words, in the page and in the docs."""

import pathlib

import pytest

from ddpm_jax.gallery.table import FIGURES

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "laboratory.md"


def test_the_order_is_that_of_the_story():
    assert list(FIGURES) == [
        *("melting", "reverse", "noise_immunity", "contraction", "fixed_point"),
        *("gaussian_fit", "deconvolution", "trajectories", "two_peaks"),
        *("mean_variance", "bound_gap"),
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_title_theorem_and_its_place_in_the_docs(name):
    figure = FIGURES[name].default()
    assert len(figure.title) < 60 and len(figure.theorem) > 80
    text = DOCS.read_text()
    assert f"`{name}`" in text
    assert f"ddpm_jax/gallery/figures/{name}.py" in text
    assert f"tests/gallery/figures/test_{name}.py" in text
