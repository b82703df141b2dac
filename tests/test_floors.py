"""Imports point down only, and the core needs no more than the core's libraries."""

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "ddpm_jax"
FILES = sorted(PACKAGE.rglob("*.py"))

# Rooms by floor, from the ground up: each imports its own floor's rooms not at all, itself
# and what is below it. `ddpm_jax/*.py` are the doors.
FLOORS = (
    ("core", "interop"),
    ("diffusion", "nets", "data", "metrics", "pictures", "training"),
    ("models",),
    ("sampling",),
    ("evaluation",),
    ("config",),
    ("runs",),
    ("doors",),
    ("commands",),
)
CORE_LIBRARIES = {"jax", "flax", "optax", "numpy", "jaxtyping", "diffrax"}
METRICS_LIBRARIES = {"numpy", "jaxtyping"}
CORE_TRAINING = {"state", "step", "optimizer", "parallel", "randomness"}


def modules_imported(path):
    """Dotted names of all that a file imports, ddpm_jax's own down to the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def test_there_is_something_to_check():
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = floor_of(path)
    own = {name for name in modules_imported(path) if name.startswith("ddpm_jax.")}
    for name in own:
        there = name.split(".")[1]
        if there == here:
            continue
        if here in FLOORS:
            assert there in FLOORS[here], f"{path} imports {name} from above or beside"
        elif there in TOP:
            assert TOP.index(there) < TOP.index(here), f"{path} imports {name}"


def test_every_module_stands_on_a_known_floor():
    known = {*FLOORS, *TOP, "__init__"}
    assert {floor_of(path) for path in FILES} <= known


def is_core(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] == "training":
        return parts[-1] in CORE_TRAINING
    return parts[0] in ("diffusion", "nets")


@pytest.mark.parametrize(
    "path", filter(is_core, FILES), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_core_imports_only_the_core_libraries(path):
    assert_imports_at_most(CORE_LIBRARIES, path)


@pytest.mark.parametrize(
    "path", (PACKAGE / "metrics").glob("*.py"), ids=lambda p: p.stem
)
def test_metrics_import_numpy_only(path):
    assert_imports_at_most(METRICS_LIBRARIES, path)


def assert_imports_at_most(libraries, path):
    allowed = libraries | set(sys.stdlib_module_names) | {"ddpm_jax"}
    used = {name.split(".")[0] for name in modules_imported(path)}
    assert used <= allowed, used - allowed
