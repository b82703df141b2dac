"""The notebooks of examples/ and the README's code of the API, run as they stand."""

import json
import pathlib
import re

import pytest

from ddpm_jax import train
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device", "log_as_before")
ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workdir of a denoiser that is told classes."""
    path = tmp_path_factory.mktemp("somewhere") / "runs" / "digits_cond"
    config = tiny.config(
        schedule__num_steps=30,
        training__num_steps=1,
        model__class_conditional=True,
    )
    assert train.run(config, path) == 0
    return path


def code_cells(notebook):
    return [
        "".join(cell["source"])
        for cell in json.loads(notebook.read_text())["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(notebook, run, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    first, *others = code_cells(notebook)
    first, number = re.subn(r'^RUN = ".*"$', f"RUN = {str(run)!r}", first, flags=re.M)
    assert number == 1
    names = {"__name__": "__main__"}
    for cell in (first, *others):
        exec(compile(cell, f"{notebook.name}: {cell.splitlines()[0]}", "exec"), names)
    assert others and names["run"].step == 1


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(notebook):
    for cell in json.loads(notebook.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_readmes_code_runs_as_it_stands(run, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (code,) = [block for block in blocks if "dj.load(" in block]
    here = run.parent.parent
    (here / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(here)
    trained = []
    monkeypatch.setattr(train, "run", lambda *arguments: trained.append(arguments))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["images"].shape == (16, 8, 8, 1) and names["guided"].shape[0] == 20
    assert names["picture"].ndim == 3
    found = names["found"]
    printed = f"{found.value} {found.stderr} {found.stderr_images}\n"
    assert capsys.readouterr().out == printed
    ((config, workdir),) = trained
    assert (config.optimizer.learning_rate, workdir) == (1e-3, "runs/slower")
