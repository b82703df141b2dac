"""The gallery's config."""

import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.gallery import options
from ddpm_jax.gallery.table import FIGURES


def test_the_default_is_all_figures_in_order():
    c = options.default()
    assert options.checked(c) == list(FIGURES)
    assert set(FIGURES) | {"rough", "mixture", "pieces", "samples"} <= set(c)


def test_figures_are_listed_by_commas_once_each():
    c = options.default()
    c.figures = "reverse, melting,reverse"
    assert options.checked(c) == ["reverse", "melting"]


@pytest.mark.parametrize(
    "field, value, said",
    [
        (
            "figures",
            "meltin",
            r"config.figures = 'meltin' is not .* Did you mean 'melting'",
        ),
        ("figures", "melting,,reverse", r"config.figures = .* a name is empty"),
        ("density", "ruogh", r"config.density = 'ruogh' is not .* mean 'rough'"),
        (
            "melting.alphas",
            (0.5, 1.0),
            r"config.melting.alphas = \(0.5, 1.0\): write a number in \(0, 1\)",
        ),
        ("melting.alphas", ("x",), r"config.melting.alphas = \('x',\): write a tuple"),
        (
            "deconvolution.highest",
            300.0,
            r"config.deconvolution.highest = 300.0: .* write at most 123.8",
        ),
        (
            "rough.least_width",
            1.0,
            r"config.rough.least_width = 1.0: it is above config.rough.greatest_width",
        ),
        ("grid.low", -1.0, r"config.grid.low = -1.0"),
        ("seed", -1, r"config.seed = -1"),
    ],
)
def test_a_wrong_value_is_told_with_its_field(field, value, said):
    c = options.default()
    with c.ignore_type():
        c.update_from_flattened_dict({field: value})
    with pytest.raises(ConfigError, match=said):
        options.checked(c)


def test_a_figures_record_says_what_it_was_made_with():
    c = options.default()
    assert options.settings(c, "melting") == {
        "seed": 0,
        "grid": c.grid.to_dict(),
        "density": "rough",
        "rough": c.rough.to_dict(),
        "melting": c.melting.to_dict(),
    }


def test_what_starts_from_no_density_of_the_config_does_not_record_it():
    c = options.default()
    assert set(options.settings(c, "bound_gap")) == {"seed", "grid", "bound_gap"}


@pytest.mark.parametrize(
    "name, field, value, said",
    [
        (
            "melting",
            "alphas",
            (0.9999,),
            r"config.melting.alphas = .* 0.0125 of points",
        ),
        ("fixed_point", "alpha", 0.9995, r"config.fixed_point.alpha = .* every second"),
        ("noise_immunity", "small", 0.9999, r"config.noise_immunity.small = 0.9999"),
        ("reverse", "alphas", (), r"config.reverse.alphas = \(\): write one"),
    ],
)
def test_a_step_that_the_grid_does_not_hold_is_refused(name, field, value, said):
    c = options.default()
    c[name][field] = value
    with pytest.raises(ConfigError, match=said):
        options.figure(c, name)


def test_the_setting_has_the_grid_and_density_of_the_config(tmp_path):
    c = options.default()
    c.grid.num, c.density = 301, "mixture"
    setting = options.setting(c, tmp_path)
    assert setting.grid.num == 301 and setting.folder == tmp_path
    assert abs(setting.density.mean - (0.6 * -0.9 + 0.4 * 0.8)) < 1e-9
