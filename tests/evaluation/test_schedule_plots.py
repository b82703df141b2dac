import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from ddpm_jax.core import sharding
from ddpm_jax.diffusion.objectives import snr_history
from ddpm_jax.evaluation import schedule_plots
from ddpm_jax.models import build
from ddpm_jax.pictures import plots
from tests import tiny

MESH = sharding.make_mesh(4)


def model_of(**changes):
    c = tiny.variational(**changes)
    return c, build.model(c, build.source(c, "train"))


def history_of(num):
    """Losses 1/2 x and 3/2 x at each log SNR x, from 0 to 4."""
    history = snr_history.init(-4.0, 4.0, num_bins=8)
    log_snr = jnp.asarray(np.linspace(0.01, 3.99, num), jnp.float32)
    for factor in (0.5, 1.5):
        history = snr_history.record(history, log_snr, factor * log_snr)
    return history


def test_each_run_has_the_pictures_of_what_it_learns(tmp_path):
    c, model = model_of()
    params = model.init(jax.random.key(0))
    both = schedule_plots.draw(c, MESH, model, params, history_of(40))
    assert both.keys() == {"schedule", "loss"}
    # A chain keeps no such history, and a fixed schedule is no news.
    assert schedule_plots.draw(c, MESH, model, params, ()).keys() == {"schedule"}
    c, fixed = model_of(schedule__name="cosine")
    assert schedule_plots.draw(c, MESH, fixed, params, history_of(40)).keys() == {
        "loss"
    }
    assert schedule_plots.draw(c, MESH, fixed, params, history_of(1)) == {}

    schedule_plots.write(epath.Path(tmp_path), 7, both)
    files = sorted(p.name for p in (tmp_path / "plots").iterdir())
    assert files == ["7_loss.png", "7_schedule.png"]


def drawn(monkeypatch, name, call):
    """What a function of plots.py was given."""
    found = {}

    def catch(*args, **kwargs):
        found["args"] = (*args, *kwargs.values())
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(plots, name, catch)
    call()
    return found["args"]


def test_the_schedule_stands_against_its_start_and_fixed_ones(monkeypatch):
    c, model = model_of()
    params = model.init(jax.random.key(0))
    moved = jax.tree.map(lambda a: a + 0.5, params)
    t, curves, learned = drawn(
        monkeypatch, "log_snr", lambda: schedule_plots.draw(c, MESH, model, moved, ())
    )
    assert set(curves) == {"at the start", "straight line", "cosine", learned}
    np.testing.assert_allclose(curves["at the start"][[0, -1]], [8.0, -6.0], rtol=1e-5)
    for name in ("straight line", "cosine"):
        np.testing.assert_allclose(
            curves[name][[0, -1]], curves[learned][[0, -1]], atol=1e-3
        )
    assert curves[learned][0] > 8.5
    np.testing.assert_allclose(
        curves["straight line"][100], curves[learned][[0, -1]].mean()
    )
    assert t[0] == 0.0 and t[-1] == 1.0


def test_the_band_is_the_error_of_the_mean(monkeypatch):
    c, model = model_of(schedule__name="cosine")
    history = history_of(4000)
    log_snr, mean, stderr, std, _ = drawn(
        monkeypatch,
        "loss_by_log_snr",
        lambda: schedule_plots.draw(c, MESH, model, {}, history),
    )
    np.testing.assert_allclose(log_snr, [0.5, 1.5, 2.5, 3.5])
    # The older half counts a hundredth less.
    np.testing.assert_allclose(mean, log_snr, rtol=0.02)
    # The factor's variance is 1/4, and x^2 has the mean of its bin's centre and 1/12 more.
    variance = 1.25 * (log_snr**2 + 1.0 / 12.0) - log_snr**2
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=0.02)
    np.testing.assert_allclose(stderr, std / np.sqrt(1.99 * 1990), rtol=0.01)


def test_pictures_are_pixels():
    t = np.linspace(0.0, 1.0, 5)
    picture = plots.log_snr(t, {"a": t, "b": -t}, learned="a")
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    assert plots.loss_by_log_snr(t, t, 0.1 * t, t, "draws").shape[2] == 3
