"""A run in a notebook: it gives what the modes give, and names what cannot work."""

import inspect
import json

import jax
import numpy as np
import pytest
from jax import numpy as jnp

import ddpm_jax as dj
from ddpm_jax import evaluate, sample
from ddpm_jax.api import run as run_lib
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import sample_batches
from ddpm_jax.training.nonfinite import NonFiniteError
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device", "log_as_before")
FREE = {"guidance": "classifier_free", "classifier_free": {"scale": 3.0}}


def config(**changes):
    """Of a denoiser that is told classes, with an average beside the first."""
    return tiny.config(
        training__num_steps=2,
        training__checkpoint_every=1,
        model__class_conditional=True,
        ema__extra_decays=(0.5,),
        sample__batch_size=24,
        **changes,
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    assert dj.train(config(), path) is None
    return path


@pytest.fixture(scope="module")
def run(directory):
    return dj.load(directory)


def drawn_by_the_mode(directory, folder, **changes):
    c = config(sample__folder=str(folder), sample__num_samples=20, **changes)
    sample.run(c, directory)
    return np.load(folder / "00000.npz")["images"]


def test_a_run_is_what_its_workdir_says(run, directory):
    assert run.config.to_dict() == config().to_dict()
    assert (run.path, run.step) == (directory, 2)
    assert run.model.num_classes == 10
    assert run.class_names == tuple("0123456789")
    assert repr(run) == f"Run({str(directory)!r}, step=2)"
    first = dj.load(directory, step=1)
    assert first.step == 1
    weights = [run, first, dj.load(directory, weights="raw")]
    weights.append(dj.load(directory, weights="ema:0.5"))
    kernels = [np.asarray(own.params["net"]["conv_in"]["kernel"]) for own in weights]
    for i, a in enumerate(kernels):
        assert all(np.any(a != b) for b in kernels[:i])


def test_its_diffusion_is_the_model_without_a_class(run):
    z = jax.random.normal(jax.random.key(0), (2, *run.model.shape))
    t = jnp.array([0.2, 0.9])
    said = run.diffusion.denoise(z, t)
    assert run.diffusion is run.diffusion
    alpha = jnp.sqrt(jax.nn.sigmoid(run.diffusion.log_snr(t)))[:, None, None, None]
    sigma = jnp.sqrt(jax.nn.sigmoid(-run.diffusion.log_snr(t)))[:, None, None, None]
    np.testing.assert_allclose(alpha * said.x + sigma * said.eps, z, atol=1e-5)
    none, some = (run.of_classes(c).denoise(z, t).x for c in ([-1, -1], [-1, 3]))
    np.testing.assert_allclose(none, said.x, atol=1e-6)
    np.testing.assert_allclose(some[0], said.x[0], atol=1e-6)
    assert np.any(np.abs(some[1] - said.x[1]) > 1e-4)


@pytest.mark.parametrize(
    "changes, choices",
    [
        ({}, {}),
        (
            {
                "sample__sampler": "unipc",
                "sample__unipc__order": 3,
                "sample__num_steps": 5,
                "seed": 0,
            },
            {"sampler": "unipc", "unipc": {"order": 3}, "num_steps": 5},
        ),
        (
            {
                "sample__guidance": "classifier_free",
                "sample__classifier_free__scale": 3.0,
                "sample__classes": (3, 7),
            },
            FREE | {"classes": [3, 7]},
        ),
    ],
)
def test_samples_are_those_of_the_mode(run, directory, tmp_path, changes, choices):
    wanted = drawn_by_the_mode(directory, tmp_path / "samples", **changes)
    # Of the same batch size, to the bit.
    found = run.sample(20, batch_size=24, **choices)
    assert found.dtype == np.uint8 and found.shape == (20, 8, 8, 1)
    np.testing.assert_array_equal(found, wanted)
    # By number, and in smaller batches but for rounding.
    np.testing.assert_array_equal(
        run.sample(5, first=11, batch_size=24, **choices), wanted[11:16]
    )
    few = run.sample(3, **choices).astype(int)
    assert np.abs(few - wanted[:3]).max() <= 1
    assert wanted.std() > 0.5


def test_choices_make_other_samples(run):
    plain = run.sample(8)
    for choices in (
        {"seed": 1},
        {"seed": 2**32},
        {"seed": 2**63},
        {"classes": 3},
        {"sampler": "ddim"},
        {"num_steps": 3},
        {"first": 8},
        FREE,
    ):
        assert np.any(run.sample(8, **choices) != plain), choices
    np.testing.assert_array_equal(run.sample(8), plain)


def test_a_seed_of_its_own_and_a_range_are_those_of_the_config(directory, monkeypatch):
    run, asked = dj.load(directory), []

    def drawn(config, batches, params):
        asked.append((config.sample.seed, config.sample.first, config.seed))
        return np.zeros((config.sample.num_samples, 8, 8, 1), np.uint8)

    monkeypatch.setattr(run_lib.Run, "_batches_of", lambda self, config: None)
    monkeypatch.setattr(run_lib.sample_batches, "drawn", drawn)
    run.config.sample.seed = 5
    run.sample(2)
    run.sample(2, seed=0, first=7)
    run.sample(2, seed=-1)
    assert asked == [(5, 0, 0), (0, 7, 0), (-1, 0, 0)]


def test_each_way_of_asking_is_compiled_once(run, monkeypatch):
    made = []

    class Counted(sample_batches.Batches):
        def __init__(self, *args, **options):
            made.append(None)
            super().__init__(*args, **options)

    monkeypatch.setattr(run_lib, "Batches", Counted)
    again = dj.load(run.path)
    for num in (4, 9):
        for _ in range(2):
            again.sample(num, sampler="ddim", batch_size=4)
    assert len(made) == 1
    again.sample(4, sampler="ddim", batch_size=4, seed=3)
    again.sample(4, sampler="ddim", batch_size=4, classes=3)
    assert len(made) == 3
    monkeypatch.setattr(
        run_lib.likelihood, "make_evaluator", counted(run_lib, made := [])
    )
    for _ in range(2):
        again.bits_per_dim(num_examples=4)
    assert len(made) == 1
    again.bits_per_dim(num_examples=4, num_draws=4)
    assert len(made) == 2


def counted(lib, made):
    make = lib.likelihood.make_evaluator

    def count(*args):
        made.append(None)
        return make(*args)

    return count


def test_a_task_is_done_and_its_samples_depend_on_how_many_there_are(
    run, tmp_path, directory
):
    files = [tmp_path / "first.png", tmp_path / "last.png"]
    from ddpm_jax.pictures import encoding

    images = run.sample(2, classes=(1, 8))
    shown = encoding.to_uint8(images, 17)
    for file, image in zip(files, shown, strict=True):
        file.write_bytes(encoding.png(image))
    between = {
        "task": "interpolation",
        "interpolation": {"first": str(files[0]), "last": str(files[1])},
        "sampler": "ddim",
        "classes": -1,
        "batch_size": 8,
    }
    three, five = run.sample(3, **between), run.sample(5, **between)
    np.testing.assert_array_equal(three[1], five[2])
    assert np.any(three[1] != five[1])
    # Another image in the same file is another question.
    files[0].write_bytes(encoding.png(shown[1]))
    assert np.any(run.sample(3, **between)[0] != three[0])


def test_a_grid_is_a_picture_of_bytes(run):
    images = np.zeros((4, 8, 8, 1), np.uint8)
    images[0] = 16
    picture = run.grid(images)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    assert set(np.unique(picture)) == {0, 255}


@pytest.mark.parametrize(
    "changes, choices",
    [
        ({}, {}),
        (
            {"eval__estimators": "full", "eval__clip": False},
            {"estimator": "full", "clip": False},
        ),
    ],
)
def test_bits_per_dim_are_those_of_the_mode(run, directory, changes, choices):
    evaluate.run(config(**changes), directory)
    wanted = json.loads((directory / "eval" / "2.json").read_text())
    found = run.bits_per_dim(**choices)
    assert json.loads(json.dumps(found.report)) == wanted
    assert found.value == wanted["bits_per_dim"]
    assert found.stderr == wanted["bits_per_dim_stderr"] > 0.0
    assert found.stderr_images == wanted["bits_per_dim_stderr_images"] > 0.0
    assert str(found).startswith(f"{found.value:.4f} bits per dim, s.e. ")


def test_another_split_is_measured_by_its_name(run, monkeypatch):
    names = []
    make = run_lib.likelihood.make_evaluator

    def noted(config, mesh, model, source, name):
        names.append((config.data.eval_split, source.identity["split"]))
        return make(config, mesh, model, source, name)

    monkeypatch.setattr(run_lib.likelihood, "make_evaluator", noted)
    own = dj.load(run.path).bits_per_dim(num_examples=4)
    found = run.bits_per_dim(split="train", num_examples=4)
    assert names == [("test", "test"), ("train", "train")]
    assert found.report["convention"]["data"]["split"] == "train, the first 4"
    assert found.value != own.value
    with pytest.raises(ConfigError, match="'nosuch'"):
        run.bits_per_dim(split="nosuch")


def test_a_run_that_lists_no_likelihood_is_measured_by_the_first(directory):
    run = dj.load(directory)
    run.config.eval.estimators = "fid"
    assert run.bits_per_dim(num_examples=4).report["estimator"] == "stratified"


def test_a_pilot_pass_is_for_whoever_takes_one(directory):
    run = dj.load(directory)
    run.config.eval.pilot_examples = 4
    report = run.bits_per_dim("full", num_examples=2, num_draws=1).report
    assert report["num_pilot_evaluations"] == 0


def test_a_figure_that_is_no_number_is_an_error(directory):
    run = dj.load(directory)
    broken = jax.tree.map(lambda a: a * np.nan, run.params)
    object.__setattr__(run._restored, "params", broken)
    with pytest.raises(NonFiniteError, match="stratified: the figure of images 0, 1"):
        run.bits_per_dim(num_examples=4)


@pytest.mark.parametrize(
    "method, arguments, said",
    [
        ("sample", {"num_samples": 0}, "num_samples = 0: write a whole number from 1"),
        ("sample", {"first": -1}, "first = -1: write a whole number from 0 on."),
        ("sample", {"first": 2**31 - 9}, f"first + num_samples = {2**31 + 7}: write"),
        ("sample", {"seed": -2}, "seed = -2: write a whole number from -1 to 1844"),
        ("sample", {"sampler": "unipcc"}, "sampler = 'unipcc' is not one of"),
        ("sample", {"folder": "x"}, "folder = 'x' is not an option."),
        ("sample", {"weights": "raw"}, "weights = 'raw' is not an option."),
        ("sample", {"classes": 10}, "classes = (10,): there is no class 10;"),
        (
            "sample",
            {"guidance": "classifier", "classifier": {"workdir": "nowhere"}},
            "classifier.workdir = 'nowhere' holds no config.json",
        ),
        (
            "sample",
            {"sampler": "ode", "ode": {"max_steps": 1}},
            "ode.max_steps = 1: 16 of the 16 samples from number 0 on need more",
        ),
        ("bits_per_dim", {"estimator": "fid"}, "estimator = 'fid' is not one of"),
        ("bits_per_dim", {"estimator": "ful"}, "estimator = 'ful' is not one of"),
        ("bits_per_dim", {"num_draws": 3}, "num_draws = 3"),
        ("bits_per_dim", {"step": 1}, "step = 1 is not an option."),
        (
            "of_classes",
            {"classes": [1, 10]},
            "classes = (1, 10): there is no class 10;",
        ),
    ],
)
def test_what_cannot_work_is_told_by_the_argument(run, method, arguments, said):
    with pytest.raises(ConfigError) as error:
        getattr(run, method)(**arguments)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_runs_that_cannot_be_loaded_are_told_by_the_path(directory, tmp_path):
    with pytest.raises(ConfigError, match=r"^load\('nowhere'\) holds no config\.json"):
        dj.load("nowhere")
    with pytest.raises(ConfigError, match=r"cannot be read: its weights 'ma' are none"):
        dj.load(directory, weights="ma")
    with pytest.raises(ConfigError, match=r"^load\('.*'\) cannot be read: .*step 7"):
        dj.load(directory, step=7)
    (tmp_path / "config.json").write_text(json.dumps(tiny.sorting().to_dict()))
    with pytest.raises(ConfigError, match="is of a classifier, which draws nothing"):
        dj.load(tmp_path)


def test_training_checks_its_config_and_goes_on(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="prediction = 'w'"):
        dj.train(config(prediction="w"), tmp_path)
    from ddpm_jax import train

    with monkeypatch.context() as patch:
        patch.setattr(train, "run", lambda config, workdir: 130)
        with pytest.raises(KeyboardInterrupt, match="the same call goes on"):
            dj.train(config(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_goes_on_from_its_workdir_alone(directory, tmp_path, monkeypatch):
    from ddpm_jax import train

    seen = []
    monkeypatch.setattr(
        train, "run", lambda config, workdir: seen.append((config, workdir))
    )
    dj.train(workdir=directory)
    ((found, where),) = seen
    assert found.to_dict() == config().to_dict() and where == directory
    again = dj.read_config(f"{directory}/config.json")
    assert again.to_dict() == found.to_dict()
    with pytest.raises(ConfigError, match=r"holds no config\.json: train there first"):
        dj.train(workdir=tmp_path)
    with pytest.raises(ConfigError, match="is an empty path"):
        dj.train()


def test_the_signatures_say_what_there_is():
    assert list(inspect.signature(dj.load).parameters) == [
        "directory",
        "step",
        "weights",
        "plugins",
    ]
    assert list(inspect.signature(dj.train).parameters) == ["config", "workdir"]
