"""Where the results on other data go: apart, for each data set and split."""

import json

import pytest
from etils import epath

from ddpm_jax.evaluation.results import place

DIGITS = {"name": "digits", "version": "1", "split": "test", "resizing": "none"}
RUN = epath.Path("run")


def test_the_folder_is_named_after_the_data_and_tells_all_of_it_apart():
    found = place.of_other_data(RUN, DIGITS, "train")
    assert found.parent == RUN / "on"
    assert found.name.startswith("digits_test_") and len(found.name) == 18
    others = [
        place.of_other_data(RUN, DIGITS | {field: "other"}, "train") for field in DIGITS
    ]
    others.append(place.of_other_data(RUN, DIGITS, "test"))
    assert len({found, *others}) == 1 + len(others)
    assert place.of_other_data(RUN, dict(reversed(DIGITS.items())), "train") == found


@pytest.mark.parametrize(
    "name, split, start",
    [
        ("folder:/data/birds of prey/", "test", "folder_birds_of_prey_test_"),
        ("folder:~/x", "train", "folder_x_train_"),
        (
            "tfds:imagenet_resized/64x64",
            "validation[:10%]",
            "tfds_64x64_validation_10_",
        ),
    ],
)
def test_its_name_is_one_of_a_folder(name, split, start):
    identity = DIGITS | {"name": name, "split": split}
    assert place.of_other_data(RUN, identity, "train").name.startswith(start)


@pytest.mark.parametrize(
    "data, is_other",
    [
        ({}, False),
        ({"split": "test, the first 20", "num_examples": 20}, False),
        ({"version": "2"}, False),
        ({"split": "train"}, True),
        ({"split": "train, the first 20"}, True),
        ({"name": "photos"}, True),
    ],
)
def test_a_report_of_other_data_is_known(tmp_path, data, is_other):
    report = epath.Path(tmp_path) / "6.json"
    assert not place.is_of_other_data(report, DIGITS)
    report.write_text(json.dumps({"convention": {"data": DIGITS | data}}))
    assert place.is_of_other_data(report, DIGITS) == is_other


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"convention": {"data": "digits"}}']
)
def test_what_is_no_report_is_of_nothing(tmp_path, text):
    report = epath.Path(tmp_path) / "6.json"
    report.write_text(text)
    assert not place.is_of_other_data(report, DIGITS)
