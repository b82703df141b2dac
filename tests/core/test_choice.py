"""Options, choices, and what of a config is made of them."""

import dataclasses
import math

import pytest

from ddpm_jax.core import choice
from ddpm_jax.core.choice import (
    Choice,
    Options,
    chosen_from,
    group,
    option,
)
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.leaf import Belongs


@dataclasses.dataclass(frozen=True)
class Inner(Options):
    depth: int = option(3, "How deep.", at_least=1)


@dataclasses.dataclass(frozen=True)
class Wave(Options):
    height: float = option(1.0, "How high.", above=0.0, at_most=9.0)
    crests: tuple[float | int, ...] = option((), "Where.", example=(1.0, 2))
    inner: Inner = group(
        Inner, "What is within.", belongs=Belongs.DATA, may_change=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.crests) > self.height:
            raise ValueError(
                f"height = {self.height} is too low for crests = {self.crests}: raise it."
            )


@dataclasses.dataclass(frozen=True)
class Counted(Options):
    whole: tuple[int, ...] = option((1, 2), "Numbers.", at_least=0)


def make_wave(options, *inputs):
    if 7 in options.crests:
        raise ValueError("no crest may be 7")
    if 8 in options.crests:
        raise ConfigError("as it is")
    return ("wave", options.height, *inputs)


FORMS = {
    "flat": Choice(Options, lambda _, *inputs: ("flat", *inputs)),
    "wave": Choice(Wave, make_wave, frozenset({"moves"})),
}
COUNTS = {"counted": Choice(Counted, lambda o: o.whole)}


@dataclasses.dataclass(frozen=True)
class Sea(Options):
    form: str = chosen_from("flat", FORMS, "Of the surface.")
    count: str = chosen_from("counted", COUNTS, "Of something.", may_change=True)


@dataclasses.dataclass(frozen=True)
class Root(Options):
    seed: int = option(0, "Of all.", belongs=Belongs.MODE)
    kind: str = chosen_from("counted", COUNTS, "At the top.", with_argument=True)
    sea: Sea = group(Sea, "Water.", belongs=Belongs.MODEL)


DEFAULTS = {
    "seed": 0,
    "kind": "counted",
    "counted": {"whole": (1, 2)},
    "sea": {
        "form": "flat",
        "wave": {"height": 1.0, "crests": (), "inner": {"depth": 3}},
        "count": "counted",
        "counted": {"whole": (1, 2)},
    },
}


def test_options_are_keywords_of_what_is_made_of_them():
    assert Options().values() == {}
    assert Wave(2.0).values() == {"height": 2.0, "crests": (), "inner": Inner(3)}


def test_options_check_their_ranges_and_then_each_other():
    with pytest.raises(
        ValueError, match=r"^height = 0.0: write a number in \(0, 9\]\.$"
    ):
        Wave(0.0, (1.0, 2.0))
    with pytest.raises(ValueError, match=r"^height = 1.0 is too low for crests"):
        Wave(1.0, (1.0, 2.0))
    with pytest.raises(ValueError, match=r"^depth = 0"):
        Inner(0)


def test_a_choice_says_its_traits_and_makes_of_its_defaults():
    assert FORMS["wave"].has("moves") and not FORMS["flat"].has("moves")
    assert FORMS["wave"].default(4, "x") == ("wave", 1.0, 4, "x")
    assert FORMS["flat"].default() == ("flat",)


def test_every_field_has_a_leaf_in_the_order_of_the_definition():
    found = dict(choice.leaves(Root))
    assert list(found) == [
        *("seed", "kind", "counted.whole", "sea.form", "sea.wave.height"),
        *("sea.wave.crests", "sea.wave.inner.depth", "sea.count", "sea.counted.whole"),
    ]
    assert found["sea.wave.crests"] == (
        *((), "Where.", (float, int), (1.0, 2), Belongs.MODEL, False),
        ("sea.form", "wave"),
    )
    assert found["counted.whole"].item_types == (int,)
    assert found["seed"].item_types == () and found["seed"].meaning == "Of all."
    assert found["sea.form"].default == "flat" and found["sea.form"].example is None


def test_what_may_change_goes_down_into_groups_but_not_beside():
    may = {name for name, leaf in choice.leaves(Root) if leaf.may_change}
    assert may == {"sea.wave.inner.depth", "sea.count", "sea.counted.whole"}
    all_may = choice.leaves(Root, may_change=True)
    assert all(leaf.may_change for _, leaf in all_may)


def test_an_option_belongs_to_what_its_group_does_unless_it_says_another():
    found = {name: leaf.belongs for name, leaf in choice.leaves(Root)}
    assert found == {
        "seed": Belongs.MODE,
        # Nobody said: what must stay the same.
        "kind": Belongs.RUN,
        "counted.whole": Belongs.RUN,
        "sea.form": Belongs.MODEL,
        "sea.wave.height": Belongs.MODEL,
        "sea.wave.crests": Belongs.MODEL,
        "sea.wave.inner.depth": Belongs.DATA,
        "sea.count": Belongs.MODEL,
        "sea.counted.whole": Belongs.MODEL,
    }


def test_an_option_of_a_choice_knows_the_field_that_names_it():
    found = {name: leaf.choice for name, leaf in choice.leaves(Root) if leaf.choice}
    assert found == {
        "counted.whole": ("kind", "counted"),
        "sea.wave.height": ("sea.form", "wave"),
        "sea.wave.crests": ("sea.form", "wave"),
        "sea.wave.inner.depth": ("sea.form", "wave"),
        "sea.counted.whole": ("sea.count", "counted"),
    }


def test_tables_stand_under_the_names_of_their_fields():
    tables = choice.tables(Root)
    assert tables == {"kind": COUNTS, "sea.form": FORMS, "sea.count": COUNTS}
    assert tables["sea.form"] is FORMS
    assert choice.names(Root) == {"counted", "flat", "wave"}


def test_a_table_within_the_options_of_a_choice_is_found():
    @dataclasses.dataclass(frozen=True)
    class Deep(Options):
        form: str = chosen_from("flat", FORMS, "Within.")

    @dataclasses.dataclass(frozen=True)
    class Outer(Options):
        name: str = chosen_from("deep", {"deep": Choice(Deep, lambda o: o)}, "Without.")

    assert choice.tables(Outer)["deep.form"] is FORMS
    assert choice.names(Outer) == {"deep", "flat", "wave"}
    assert "deep.wave.height" in dict(choice.leaves(Outer))


def test_defaults_are_nested_as_the_config_is():
    assert choice.defaults(Root) == DEFAULTS


def test_a_group_is_read_with_ints_as_floats_and_lists_as_tuples():
    values = {"height": 2, "crests": [1, 2.0], "inner": {"depth": 4}, "other": 3}
    found = choice.read(Wave, values, "config.sea.wave")
    assert found == Wave(2.0, (1, 2.0), Inner(4)) and type(found.height) is float
    whole = choice.read(Root, DEFAULTS, "config")
    assert whole == Root() and whole.sea == Sea()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"height": 0}, "config.x.height = 0.0: write a number in (0, 9]."),
        ({"height": math.nan}, "config.x.height = nan: write a number in (0, 9]."),
        (
            {"crests": (1, 2)},
            "config.x.height = 1.0 is too low for config.x.crests = (1, 2): raise it.",
        ),
        ({"inner": {"depth": 0}}, "config.x.inner.depth = 0: write 1 or more."),
    ],
)
def test_what_a_group_holds_that_is_wrong_has_its_full_name(changes, said):
    values = DEFAULTS["sea"]["wave"] | changes
    with pytest.raises(ConfigError) as error:
        choice.read(Wave, values, "config.x")
    assert str(error.value) == said


def test_names_in_a_text_are_written_in_full_where_something_is_said_of_them():
    def told(text):
        return choice.in_full(text, Wave, "config.x")

    assert told("height = 1: no") == "config.x.height = 1: no"
    assert told("a height = 1") == "a config.x.height = 1"
    assert told("my.height = 1") == "config.x: my.height = 1"
    assert told("lower_height = 1") == "config.x.lower_height = 1"
    assert told("no lower_height = 1") == "config.x: no lower_height = 1"
    assert told("the height is 1") == "config.x: the height is 1"
    assert choice.in_full("height = 1", Options, "config.x") == "config.x.height = 1"
    assert told("low: height is 1") == "config.x: low: height is 1"


def test_the_named_choice_is_found_with_its_options():
    values = DEFAULTS["sea"] | {"form": "wave"}
    found, options = choice.chosen(FORMS, values, "form", "sea")
    assert found is FORMS["wave"] and options == Wave()
    # A choice without options has no group.
    assert choice.chosen(FORMS, {"form": "flat"}, "form", "sea") == (
        FORMS["flat"],
        Options(),
    )


@pytest.mark.parametrize(
    "values, where, said",
    [
        (
            {"form": "wav"},
            "sea",
            "config.sea.form = 'wav' is not one of ['flat', 'wave'].",
        ),
        ({"form": "wav"}, "", "config.form = 'wav' is not one of"),
        (
            {"form": "wave", "wave": DEFAULTS["sea"]["wave"] | {"height": 10}},
            "sea",
            "config.sea.wave.height = 10.0: ",
        ),
        (
            {"form": "wave", "wave": DEFAULTS["sea"]["wave"] | {"height": 10}},
            "",
            "config.wave.height = 10.0: ",
        ),
    ],
)
def test_a_choice_that_cannot_be_made_is_told(values, where, said):
    with pytest.raises(ConfigError) as error:
        choice.chosen(FORMS, values, "form", where)
    assert str(error.value).startswith(said)


def test_what_is_made_stands_on_its_inputs_and_its_errors_are_the_configs():
    assert choice.made(FORMS["wave"], Wave(2.0), "config.x", 5) == ("wave", 2.0, 5)
    with pytest.raises(ConfigError, match=r"^config\.x: no crest may be 7$"):
        choice.made(FORMS["wave"], Wave(2.0, (7,)), "config.x")
    with pytest.raises(ConfigError, match=r"^as it is$"):
        choice.made(FORMS["wave"], Wave(2.0, (8,)), "config.x")
    with pytest.raises(TypeError):
        choice.made(COUNTS["counted"], Counted(), "config.x", "too many")
