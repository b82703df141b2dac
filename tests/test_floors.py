"""The house: rooms on floors, no circles, a test of every module, files of one idea."""

import ast
import pathlib
import statistics
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "ddpm_jax"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(("ddpm_jax", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in FILES
}

# From the ground up. A room imports itself and what is on the floors below its own.
FLOORS = (
    {"core", "interop"},
    {"diffusion", "nets", "data", "metrics", "pictures", "training"},
    {"models", "lab"},
    {"sampling"},
    {"evaluation"},
    {"config"},
    {"runs"},
    {"api", "commands", "gallery"},
)
# The doors stand at the package's root: on all rooms but the last, which use them.
DOORS = {"train", "evaluate", "sample", "check"}
ENTRIES = {"__init__", "__main__"}

CORE_LIBRARIES = {"jax", "flax", "optax", "numpy", "jaxtyping", "diffrax"}
# Beside them, of a file that wraps a library.
WRAPPERS = {
    "core/files.py": {"etils"},
    "core/folders.py": {"etils"},
    "core/image_reader.py": {"PIL"},
    "core/paths.py": {"etils"},
    "core/progress.py": {"tqdm"},
    "core/terminal.py": {"absl", "tqdm"},
}
METRICS_LIBRARIES = {"numpy", "jaxtyping"}
CORE_TRAINING = {"state", "step", "objective", "optimizer", "parallel", "rates"}
LONGEST, MEDIAN = 350, 150


def imported(path):
    """Dotted names of all that a file imports, wherever in it, as modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole in MODULES or f"{whole}.__init__" in MODULES
                found.add(whole if is_module else node.module)
    return found


def own_imports(path):
    """The package's modules that a file imports, a room's __init__ under its own name."""
    own = {name for name in imported(path) if name.split(".")[0] == "ddpm_jax"}
    return {name if name in MODULES else f"{name}.__init__" for name in own}


def room_of(module):
    return module.split(".")[1]


def height(room):
    if room in DOORS:
        return len(FLOORS) - 1.5
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def test_there_is_something_to_check():
    assert len(FILES) > 100


def test_rooms_are_those_of_the_plan():
    rooms = {room_of(module) for module in MODULES}
    assert rooms - ENTRIES == set().union(*FLOORS) | DOORS
    assert len(FLOORS) <= 8
    at_root = {path.stem for path in PACKAGE.glob("*.py")}
    assert at_root - ENTRIES == DOORS and len(DOORS) <= 4


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    here = room_of(module)
    if here in ENTRIES:
        return
    for name in own_imports(MODULES[module]):
        there = room_of(name)
        if there != here and not {here, there} <= DOORS:
            assert there not in ENTRIES, f"{module} imports {name}"
            assert height(there) < height(here), f"{module} imports {name}"


def test_no_imports_go_in_a_circle():
    graph = {module: own_imports(path) for module, path in MODULES.items()}
    done, under_way = set(), []

    def visit(module):
        assert module not in under_way, " -> ".join([*under_way, module])
        if module in done:
            return
        under_way.append(module)
        for name in sorted(graph[module]):
            visit(name)
        done.add(under_way.pop())

    for module in graph:
        visit(module)


def test_every_module_has_a_test_of_its_name():
    def test_of(path):
        folder = ROOT / "tests" / path.relative_to(PACKAGE).parent
        return folder / f"test_{path.stem}.py"

    own = [path for path in FILES if path.stem not in ENTRIES]
    missing = [str(p.relative_to(PACKAGE)) for p in own if not test_of(p).exists()]
    assert missing == []


def test_files_are_short():
    lengths = {p: len(p.read_text().splitlines()) for p in FILES}
    assert {str(p): n for p, n in lengths.items() if n > LONGEST} == {}
    modules = [n for p, n in lengths.items() if p.stem != "__init__"]
    assert statistics.median(modules) <= MEDIAN


def compared(path):
    """(line, comparison) of every comparison with a text in it, and these texts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            leaves = [leaf for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)]
            texts = {leaf.value for leaf in leaves if isinstance(leaf.value, str)}
            yield f"{path.name}:{node.lineno} {ast.unparse(node)}", texts


def test_no_choice_is_compared_by_its_name():
    """Names of choices stand in tables, defaults and texts, not in comparisons."""
    from ddpm_jax.config import schema
    from ddpm_jax.core import choice

    known = choice.names(schema.Whole)
    assert {"ode", "learned_monotone", "unet", "classifier"} <= known
    found = [where for p in FILES for where, texts in compared(p) if texts & known]
    assert found == []


def is_core(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] == "training":
        return parts[-1] in CORE_TRAINING
    return parts[0] in ("core", "diffusion", "nets")


@pytest.mark.parametrize(
    "path", filter(is_core, FILES), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_core_imports_only_the_core_libraries(path):
    wrapped = WRAPPERS.get(str(path.relative_to(PACKAGE)), set())
    assert_imports_at_most(CORE_LIBRARIES | wrapped, path)


@pytest.mark.parametrize(
    "path", (PACKAGE / "metrics").glob("*.py"), ids=lambda p: p.stem
)
def test_metrics_import_numpy_only(path):
    assert_imports_at_most(METRICS_LIBRARIES, path)


def assert_imports_at_most(libraries, path):
    allowed = libraries | set(sys.stdlib_module_names) | {"ddpm_jax"}
    used = {name.split(".")[0] for name in imported(path)}
    assert used <= allowed, used - allowed
