"""The pickles of a PyTorch checkpoint, read without importing or calling anything.

A pickle is a program for a stack machine. This machine knows the instructions and names
that a state dict is made of (pickle protocol 2, which is what torch.save writes) and
refuses all others, so that a hostile file can run nothing. Tensors and their storages
become descriptions, to be checked against the bytes of the file.
"""

import io
import pickletools
from typing import Any, NamedTuple

import numpy as np

ORDERED_DICT = "collections.OrderedDict"
REBUILD = "torch._utils._rebuild_tensor_v2"
STORAGES: dict[str, np.dtype[Any]] = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
}
# A state dict takes some 30 instructions a tensor.
MAX_INSTRUCTIONS = 2_000_000
MAX_AXES = 8
MAX_COUNT = 2**48


class RefusedError(ValueError):
    """The error of a pickle that is damaged, or holds something else than a state dict."""


class Name(str):
    """The name of an object that a pickle asks to import; it is never imported."""


class Storage(NamedTuple):
    """A block of elements in the file, which one or more tensors view.

    Attributes:
      key: its name in the file.
      dtype: type of the elements.
      num_elements: number of elements.
    """

    key: str
    dtype: np.dtype[Any]
    num_elements: int


class Tensor(NamedTuple):
    """A view of a storage; offset and strides are counted in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load(file: io.BytesIO) -> Any:
    """Reads the next pickle of a file and leaves the file positioned behind it.

    Args:
      file: in memory, since files on disk allocate what a pickle claims to be long before
        they find their end.

    Returns:
      Dictionaries with strings as keys, lists, tuples, strings, integers, booleans, None,
      `Tensor` and `Storage`.

    Raises:
      RefusedError: it is cut short, or uses what no state dict needs.
    """
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= MAX_INSTRUCTIONS:
                raise RefusedError(f"a pickle of over {MAX_INSTRUCTIONS} instructions")
            machine.run(opcode.name, argument)
        return machine.stack.pop()
    except RefusedError:
        raise
    except (IndexError, KeyError) as error:
        raise RefusedError("a damaged pickle: it uses values it never made") from error
    except ValueError as error:
        raise RefusedError(f"a damaged pickle: {shortened(str(error))}") from error


def shortened(text: str) -> str:
    """Text of a file, fit for one line of a message."""
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


class _Machine:
    """The stack machine of the pickle format: a stack, and a memo of numbered values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, instruction: str, argument: Any) -> None:
        """Executes one instruction, given by its name in the module pickletools."""
        stack = self.stack
        match instruction:
            case "PROTO" | "STOP":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True}.get(instruction, False))
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(self._last(int(instruction[-1])))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._update(self._last(2))
            case "SETITEMS":
                self._update(self._since_mark())
            case "GLOBAL":
                stack.append(_name(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                function, arguments = self._last(2)
                stack.append(_called(function, arguments))
            case "BUILD":
                # An OrderedDict's attributes beside its items: versions of layers.
                stack.pop()
                _expect(stack[-1], dict, "attributes are set")
            case _:
                raise RefusedError(f"a pickle with the instruction {instruction}")

    def _last(self, count: int) -> tuple[Any, ...]:
        return tuple(reversed([self.stack.pop() for _ in range(count)]))

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def _extend(self, values: list[Any]) -> None:
        _expect(self.stack[-1], list, "items are appended")
        self.stack[-1].extend(values)

    def _update(self, items: list[Any] | tuple[Any, ...]) -> None:
        _expect(self.stack[-1], dict, "items are set")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only strings, as hashing other types could take for ever.
            _expect(key, str, "a key is looked up")
            self.stack[-1][key] = value


def _expect(value: Any, kind: type, doing: str) -> None:
    if type(value) is not kind:
        found, wanted = type(value).__name__, kind.__name__
        raise RefusedError(f"a pickle in which {doing} of a {found}, not a {wanted}")


def _name(argument: str) -> Name:
    name = Name(argument.replace(" ", "."))
    if name not in (ORDERED_DICT, REBUILD, *STORAGES):
        types = ", ".join(str(dtype) for dtype in STORAGES.values())
        raise RefusedError(
            f"its pickle asks for {shortened(name)}: only dictionaries of tensors of"
            f" {types} are read"
        )
    return name


def _called(function: Any, arguments: Any) -> Any:
    _expect(function, Name, "a call is made")
    _expect(arguments, tuple, "the arguments are")
    if function == ORDERED_DICT and not arguments:
        return {}
    if function == REBUILD and len(arguments) in (6, 7):
        return _tensor(*arguments[:4])
    raise RefusedError(f"its pickle calls {function} with {len(arguments)} arguments")


def _storage(identity: Any) -> Storage:
    match identity:
        case ("storage", Name() as name, str(key), str(), count, *view):
            if name in STORAGES and _is_count(count) and view in ([], [None]):
                return Storage(key, STORAGES[name], count)
    raise RefusedError("its pickle describes a storage in a way that is not known")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    if (
        type(storage) is not Storage
        or not _is_count(offset)
        or not _are_counts(shape)
        or not _are_counts(strides)
        or len(shape) != len(strides)
    ):
        raise RefusedError("its pickle describes a tensor in a way that is not known")
    return Tensor(storage, offset, shape, strides)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _are_counts(values: Any) -> bool:
    return (
        type(values) is tuple
        and len(values) <= MAX_AXES
        and all(_is_count(value) for value in values)
    )
