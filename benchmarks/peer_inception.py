"""Whether Inception's features are those of pytorch-fid and torch-fidelity, layer by layer.

    python -m benchmarks.peer_inception
    python -m benchmarks.peer_inception --golden tests/nets/inception/golden.npz

All get the same weights, made by formula and passed through files of torch.save in both of
its formats. pytorch-fid is compared after each block, torch-fidelity in what it puts out.
Needs torch, torchvision, pytorch-fid and torch-fidelity, and downloads nothing. --golden
writes what pytorch-fid makes of one image, for the tests.

The exit status is 1 if a difference exceeds the tolerance.
"""

import argparse
import importlib.metadata
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytorch_fid.inception
import torch
import torchvision
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from benchmarks import inception_arrays, measure
from ddpm_jax.interop import torch_file
from ddpm_jax.nets.inception import network

PACKAGES = ("torchvision", "pytorch-fid", "torch-fidelity")
SHAPES = ((32, 32), (64, 48), (299, 299), (352, 400))
NUM_IMAGES = 2
# Largest difference over the root mean square of what is compared.
TOLERANCE = 1e-4
GOLDEN_SHAPE = (32, 32)
FIDELITY_NAMES = ("64", "192", "768", "2048", "logits", "logits_unbiased")

Values = dict[str, np.ndarray]


class PytorchFid:
    """pytorch-fid's network on given weights."""

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        # In place of the download; the strict load_state_dict around it stays.
        pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: state
        self._net = pytorch_fid.inception.fid_inception_v3().eval()
        pytorch_fid.inception.fid_inception_v3 = lambda: self._net
        self._blocks = pytorch_fid.inception.InceptionV3([0, 1, 2, 3]).eval()

    def __call__(self, pixels: np.ndarray) -> Values:
        """What each layer named in the network puts out, and the features."""
        values: Values = {}

        def keep(name: str) -> Any:
            return lambda module, inputs, output: values.update({name: _array(output)})

        hooks = [
            child.register_forward_hook(keep(name))
            for name, child in self._net.named_children()
            if name.startswith(("Conv2d", "Mixed"))
        ]
        with torch.no_grad():
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0
            *early, last = self._blocks(images)
            pool = last[:, :, 0, 0]
            logits = self._net.fc(pool)
        for hook in hooks:
            hook.remove()
        means = [block.mean(dim=(2, 3)) for block in early]
        without_bias = logits - self._net.fc.bias
        features = [*means, pool, logits, without_bias]
        return values | _named(features)


def torch_fidelity(file: pathlib.Path, pixels: np.ndarray) -> Values:
    """The features of torch-fidelity's network."""
    extractor = FeatureExtractorInceptionV3(
        "inception", list(FIDELITY_NAMES), feature_extractor_weights_path=str(file)
    )
    with torch.no_grad():
        return _named(extractor(torch.from_numpy(pixels).permute(0, 3, 1, 2)))


def ours(params: Any, pixels: np.ndarray, preparation: str) -> Values:
    """The same of the network under test."""
    net = network.InceptionV3(preparation)

    @jax.jit
    def run(params: Any, pixels: Any) -> Any:
        return net.apply({"params": params}, pixels, capture_intermediates=True)

    features, state = run(params, jnp.asarray(pixels))
    inside = {
        name: np.asarray(value["__call__"][0])
        for name, value in state["intermediates"].items()
        if name.startswith(("Conv2d", "Mixed"))
    }
    return inside | dict(_named(features))


def differences(found: Values, wanted: Values) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each layer: its size, and the largest difference, also relative to the size."""
    for name, want in wanted.items():
        got = found[name]
        if got.shape != want.shape:
            raise ValueError(f"{name} is of shape {got.shape}, not {want.shape}")
        rms = float(np.sqrt(np.mean(np.square(want, dtype=np.float64))))
        largest = float(np.abs(got.astype(np.float64) - want).max())
        between = float(want.std(axis=0).mean() / want.std())
        yield (
            name,
            {
                "rms": rms,
                "between_images": between,
                "largest_difference": largest,
                "relative": largest / rms,
            },
        )


def state_dict() -> dict[str, torch.Tensor]:
    """Every array of the file, by name, made by formula."""
    net = torchvision.models.inception_v3(
        num_classes=network.NUM_CLASSES,
        aux_logits=False,
        init_weights=False,
        weights=None,
    )
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    arrays = inception_arrays.weights(shapes)
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}


def through_files(
    state: Mapping[str, torch.Tensor], folder: pathlib.Path
) -> tuple[Any, pathlib.Path]:
    """Parameters as read from both formats, and one of the files.

    Raises:
      ValueError: an array that was read is not what was written, bit by bit.
    """
    for name, is_zip in (("zip", True), ("legacy", False)):
        file = folder / f"{name}.pth"
        torch.save(state, file, _use_new_zipfile_serialization=is_zip)
        arrays = torch_file.read_state_dict(file)
        if list(arrays) != list(state):
            raise ValueError(f"{file} was written with other names")
        for key, value in state.items():
            if not np.array_equal(arrays[key], value.numpy()):
                raise ValueError(f"{file}: {key} is not what was written")
        params = network.from_state_dict(arrays, file.name)
    return params, file


def compare(folder: pathlib.Path) -> dict[str, Any]:
    """The largest differences, by peer, shape of the images and layer."""
    state = state_dict()
    params, file = through_files(state, folder)
    peers: dict[str, tuple[str, Callable[[np.ndarray], Values]]] = {
        "pytorch_fid": ("pytorch_fid", PytorchFid(state)),
        "torch_fidelity": ("tensorflow", lambda pixels: torch_fidelity(file, pixels)),
    }
    report: dict[str, Any] = {}
    for peer, (preparation, run) in peers.items():
        for height, width in SHAPES:
            pixels = inception_arrays.images(NUM_IMAGES, height, width)
            found = ours(params, pixels, preparation)
            rows = dict(differences(found, run(pixels)))
            report[f"{peer}, {height}x{width}"] = rows
            print(f"\n{peer}, {NUM_IMAGES} images of {height}x{width}")
            print(_table(rows), flush=True)
    return report


def write_golden(path: pathlib.Path) -> None:
    """The names and shapes of the file, and pytorch-fid's features of one image."""
    state = state_dict()
    pixels = inception_arrays.images(1, *GOLDEN_SHAPE)
    values = PytorchFid(state)(pixels)
    features = {name: values[name][0] for name in network.Features._fields}
    shapes = [str(tuple(value.shape)) for value in state.values()]
    np.savez_compressed(path, names=list(state), shapes=shapes, **features)
    print(f"written to {path}")


def _named(features: Any) -> Values:
    names = network.Features._fields
    return {name: _array(value) for name, value in zip(names, features, strict=True)}


def _array(value: Any) -> np.ndarray:
    """As numpy, channels last."""
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    value = value.detach()
    return (value.permute(0, 2, 3, 1) if value.ndim == 4 else value).numpy().copy()


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    titles = ("layer", "rms", "between images", "largest difference", "relative")
    lines = ["{:20} {:>10} {:>15} {:>19} {:>10}".format(*titles)]
    for name, row in rows.items():
        figures = "{:10.3g} {:15.3g} {:19.3g} {:10.2g}".format(*row.values())
        lines.append(f"{name:20} {figures}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=measure.path, default=measure.RESULTS)
    parser.add_argument("--golden", type=measure.path, help="write this file instead")
    args = parser.parse_args()
    if args.golden:
        write_golden(args.golden)
        return
    report = measure.environment()
    report["versions"] |= {name: importlib.metadata.version(name) for name in PACKAGES}
    with tempfile.TemporaryDirectory() as folder:
        report["inception"] = compare(pathlib.Path(folder))
    tables = report["inception"].values()
    worst = max(row["relative"] for rows in tables for row in rows.values())
    report |= {"worst_relative": worst, "tolerance": TOLERANCE}
    print(f"\nlargest relative difference: {worst:.2g}")
    print(f"written to {measure.write('inception', report, args.results)}")
    if worst > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
