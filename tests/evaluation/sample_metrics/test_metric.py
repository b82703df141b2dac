"""What every metric of samples in the table is."""

import math

import pytest

from ddpm_jax.evaluation.sample_metrics.metric import SampleMetric
from ddpm_jax.evaluation.table import ESTIMATORS
from tests.evaluation.sample_metrics import known

NAMES = [name for name, choice in ESTIMATORS.items() if choice.has("of_samples")]


@pytest.mark.parametrize("name", NAMES)
def test_the_least_samples_are_enough_for_figures(name):
    metric = ESTIMATORS[name].default()
    assert isinstance(metric, SampleMetric)
    drawn = known.seen(known.features(1, metric.least_samples))
    found = metric.measure(known.reference(known.features(0, 40)), drawn)
    assert found and all(math.isfinite(value) for value in found.values())


def test_no_two_give_a_figure_of_one_name():
    real, drawn = known.features(0, 40), known.seen(known.features(1, 20))
    found = [
        ESTIMATORS[n].default().measure(known.reference(real), drawn) for n in NAMES
    ]
    figures = [figure for row in found for figure in row]
    assert len(set(figures)) == len(figures) == 8
