"""Python files that a user wrote, such as configs, run with one-line errors.

The line names the file, the line number in it and the reason:

    configs/mine.py, line 12: ZeroDivisionError: division by zero

Where a file calls others, it is the file's own innermost line that is named.
"""

import contextlib
import inspect
import pathlib
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any

from ddpm_jax.core.errors import ConfigError, hint

SUFFIX = ".py"


def check(path: str) -> None:
    """Raises ConfigError, which names the path, unless it is that of a Python file."""
    file = pathlib.Path(path)
    with errors_in(path):
        if file.is_dir():
            raise ConfigError("it is a folder: write the path of a Python file.")
        if file.suffix != SUFFIX:
            raise ConfigError(
                f"it is not a Python file: write one that ends in {SUFFIX}."
            )
        if not file.exists():
            raise ConfigError("there is no such file.")


def load(path: str, name: str) -> types.ModuleType:
    """Runs a file as a module of the given name, anew at each call.

    What the file imports is looked for beside it too; where its folder belongs to a package,
    beside that package instead, so that `from configs import digits` works from anywhere.

    Raises:
      ConfigError: there is no such file, or it raises something.
    """
    check(path)
    module = types.ModuleType(name)
    module.__file__ = path
    with errors_in(path), _importing_from(path):
        source = pathlib.Path(path).read_bytes()
        code = compile(source, path, "exec", dont_inherit=True)
        sys.modules[name] = module  # dataclasses look up a class's module here.
        exec(code, module.__dict__)
    return module


def result_of(module: types.ModuleType, name: str, *arguments: str) -> Any:
    """Calls a function of a user's module and returns its result.

    Raises:
      ConfigError: there is no such function, it takes other arguments, or it raises
        something.
    """
    path = str(module.__file__)
    function = getattr(module, name, None)
    if not callable(function):
        others = vars(module).keys() - {name}
        raise ConfigError(f"{path}: it has no function {name}().{hint(name, others)}")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        given = ", ".join(map(repr, arguments))
        raise error_at(module, name, f"{name}({given}): {error}.") from error
    with errors_in(path), _importing_from(path):
        return function(*arguments)


def error_at(module: types.ModuleType, name: str, reason: str) -> ConfigError:
    """The error that reports a fault of a function of a user's module, with its line."""
    code = getattr(inspect.unwrap(getattr(module, name)), "__code__", None)
    return _error(str(module.__file__), code and code.co_firstlineno, reason)


@contextlib.contextmanager
def errors_in(path: str) -> Iterator[None]:
    """Turns whatever running a file raises into a ConfigError that names the file."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise _error(path, _line(error, path), _reason(error, path)) from error


def _error(path: str, line: int | None, reason: str) -> ConfigError:
    place = f"{path}, line {line}" if line else path
    return ConfigError(f"{place}: {' '.join(reason.split())}")


def _line(error: BaseException, path: str) -> int | None:
    """The innermost line of the file that was running, or that cannot be read as Python."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return lines[-1] if lines else None


def _reason(error: BaseException, path: str) -> str:
    """The error's text, after the name of its type unless the text is a whole sentence."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, SyntaxError) and error.filename == path:
        text = str(error.msg)  # Without the place, which is told before.
    if isinstance(error, OSError) and error.filename == path:
        return f"it cannot be read: {error.strerror}."
    if text and type(error) in (ConfigError, ValueError):
        return text
    return f"{kind}: {text}" if text else kind


@contextlib.contextmanager
def _importing_from(path: str) -> Iterator[None]:
    """Lets imports find what lies beside a file, or beside the package of its folder."""
    folder = pathlib.Path(path).resolve().parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
