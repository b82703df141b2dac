"""Which of the estimators that are listed measures between two steps."""

import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import in_training
from ddpm_jax.evaluation.accuracy import Accuracy
from ddpm_jax.models import build
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network")


def while_training(c):
    source = build.source(c, "test")
    model = build.backbone(c, source)
    return in_training.while_training(c, tiny.one_device(), model, source)


@pytest.mark.parametrize(
    ("listed", "name"), [("stratified,ode", "stratified"), ("fid, ode,full", "ode")]
)
def test_it_is_the_first_likelihood(listed, name):
    found = while_training(tiny.config(eval__estimators=listed))
    assert found.chosen.name == name
    assert found.source.identity["split"] == "test, the first 20"


def test_metrics_of_samples_alone_are_refused():
    message = (
        r"^config.eval.estimators = 'fid,kid' judge samples, for --mode=eval: while"
        r" training list a likelihood too, such as 'stratified', or write"
        r" config.training.eval_every = 0\.$"
    )
    with pytest.raises(ConfigError, match=message):
        while_training(tiny.config(eval__estimators="fid,kid"))


def test_of_a_classifier_it_is_its_accuracy():
    assert isinstance(while_training(tiny.sorting()), Accuracy)
