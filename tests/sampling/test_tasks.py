"""Tasks by name: where their samples go, and what training draws."""

import pytest

from ddpm_jax import sample, train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from tests import tiny
from tests.sampling.given import SHAPE, put, values

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_the_default_folder_is_named_after_the_task(plain_run, tmp_path):
    path = put(tmp_path / "image.png", values(0, *SHAPE))
    c = tiny.config(sample__task="image_to_image", sample__image_to_image__image=path)
    sample.run(c, plain_run)
    assert (
        plain_run / "samples" / "2_ancestral_4_image_to_image" / "00000.npz"
    ).exists()
    assert (plain_run / "samples" / "2_ancestral_4_image_to_image_edit.png").exists()


def test_training_draws_from_noise_alone(tmp_path):
    c = tiny.config(
        training__num_steps=2,
        training__sample_every=2,
        sample__task="image_to_image",
        sample__image_to_image__image="a.png",
    )
    check_config(c)
    with pytest.raises(ConfigError, match="'image_to_image' is for --mode=sample"):
        train.run(c, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
