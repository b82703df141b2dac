"""Writes zip.pth and legacy.pth beside itself: torch.save's own, in both of its formats.

Run by hand, with torch installed; the tests that read them have no need of it.
"""

import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent


def state_dict() -> dict[str, torch.Tensor]:
    """What a real layer saves, and tensors of all kinds that are read."""
    layer = torch.nn.BatchNorm2d(3, dtype=torch.float64)
    state = layer.state_dict()
    shared = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    state["whole"], state["transposed"] = shared, shared.T
    state["part"] = shared[1:, ::2]
    state["half"] = torch.tensor([0.5, -2.0], dtype=torch.float16)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        state[str(dtype)] = torch.arange(5, dtype=dtype)
    return state


if __name__ == "__main__":
    state = state_dict()
    torch.save(state, FOLDER / "zip.pth")
    torch.save(state, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
