"""Trajectories: paths of samplers from noise to data, with the exact denoiser."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import schedules, times
from ddpm_jax.diffusion.samplers import ancestral, ddim, loop, time_grids
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.noising import noised
from ddpm_jax.lab import densities, divergences, exact, planes
from ddpm_jax.lab.densities import Density, Grid

TITLE = "Trajectories: from noise to data, by three samplers"
THEOREM = (
    "With the exact denoiser ancestral sampling follows q(z_{t-1} | z_t) but for its"
    " Gaussians, and DDIM with eta = 0 is Euler's method for the probability flow, whose"
    " paths never cross and carry N(0, 1) to q(x) (Song et al. 2021)."
)
SCHEDULE = schedules.cosine(-8.0, 6.5)
# Means, standard deviations and weights of three peaks.
PEAKS = (-1.3, 0.1, 1.2), (0.18, 0.1, 0.25), (0.35, 0.25, 0.4)
# Points of the plane lie on rings of round Gaussians.
PLANE = Grid(-2.4, 2.4, 97)
MOMENTS = (1.0, 0.25, 0.1, 0.0)


@dataclasses.dataclass(frozen=True)
class Trajectories(Options):
    """Options of the figure."""

    num_steps: int = option(100, "Times of a long sampler.", at_least=2)
    num_strided: int = option(10, "Times of the strided one.", at_least=2)
    num_samples: int = option(4000, "Samples of a histogram.", at_least=10)
    num_paths: int = option(5, "Paths that are drawn.", at_least=1)
    num_points: int = option(700, "Points of the plane.", at_least=10)


def compute(options: Trajectories, setting: Setting) -> Numbers:
    """Paths, histograms beside the truth, and points of the plane between."""
    full = densities.gaussian_mixture(setting.grid, *PEAKS)
    density = densities.gaussian_mixture(setting.coarse_grid, *PEAKS)
    rows = setting.shown(0.05, full)
    columns = np.linspace(1.0, 0.0, 90)
    marginals = [noised(full, value) for value in _log_snrs(columns)]
    model = exact.diffusion(density, SCHEDULE.log_snr, variance_fraction=1.0)
    samplers = {
        "ancestral": (ancestral.make(), options.num_steps),
        "DDIM": (ddim.make(), options.num_steps),
        "DDIM, strided": (ddim.make(), options.num_strided),
    }
    edges = np.linspace(-2.6, 2.6, 66)
    drawn = {}
    for name, (sampler, num) in samplers.items():
        film, z_0 = _film(
            model, sampler, num, setting.seed, options.num_samples, (1, 1, 1)
        )
        samples = z_0[:, 0]
        histogram, _ = np.histogram(samples, edges, density=True)
        drawn[name] = {
            "num_steps": num,
            "t": film[0],
            "paths": film[1][:, : options.num_paths, 0].T,
            "histogram": histogram,
            "wasserstein": divergences.wasserstein(_counted(density, samples), density),
        }
    curve = setting.shown(density=full)
    true = full.sample(
        np.random.Generator(np.random.Philox(setting.seed)), options.num_samples
    )
    return {
        "x": setting.grid.points[curve],
        "q": full.values[curve],
        "z": setting.grid.points[rows],
        "map": np.stack([one.values[rows] for one in marginals], axis=1),
        "edges": edges,
        "samplers": drawn,
        "wasserstein_of_truth": divergences.wasserstein(
            _counted(density, true), density
        ),
        "num_samples": options.num_samples,
        "plane": _plane(options, setting.seed),
    }


def _film(
    model: Diffusion,
    sampler: loop.Sampler,
    num: int,
    seed: int,
    num_samples: int,
    shape: tuple[int, int, int],
) -> tuple[tuple[Any, Any], Any]:
    """Times and latents [frames, samples, dims] of every evaluation, and the last latents."""
    at = time_grids.uniform(SCHEDULE.log_snr, times.CONTINUOUS, num)
    keys = jax.random.split(jax.random.key(seed), num_samples)

    @jax.jit
    def run(keys: Any) -> Any:
        result = loop.sample(
            model, sampler, at.astype(np.float32), keys, shape, num_frames=num
        )
        assert result.film is not None
        return result.film.t, result.film.z, result.z

    t, z, z_0 = map(np.asarray, run(keys))
    return (t, z.reshape(num, num_samples, -1)), z_0.reshape(num_samples, -1)


def _log_snrs(t: np.ndarray) -> np.ndarray:
    """The log SNR at some times."""
    return np.asarray(SCHEDULE.log_snr(jnp.asarray(t)), np.float64)


def _counted(density: Density, samples: np.ndarray) -> Density:
    """The empirical distribution of samples, each at the nearest grid point."""
    grid = density.grid
    nearest = np.rint((samples - grid.low) / grid.spacing).astype(int)
    counts = np.bincount(np.clip(nearest, 0, grid.num - 1), minlength=grid.num)
    return densities.of_values(grid, counts.astype(np.float64))


def _plane(options: Trajectories, seed: int) -> Mapping[str, Any]:
    """Points of the plane by DDIM: some moments, and some whole paths."""
    angles = 2.0 * np.pi * np.arange(24) / 24
    inner = angles[::3]
    outer = np.stack([np.cos(angles), np.sin(angles)], 1) * 1.5
    small = np.stack([np.cos(inner), np.sin(inner)], 1) * 0.55
    means = np.concatenate([outer, small])
    weights = np.full(len(means), 1.0 / len(means))
    truth = planes.gaussian_mixture(PLANE, means, np.full(len(means), 0.1), weights)
    model = truth.diffusion(SCHEDULE.log_snr)
    num = max(3, options.num_steps // 2)
    (t, z), _ = _film(model, ddim.make(), num, seed, options.num_points, (1, 1, 2))
    frames = [int(np.argmin(np.abs(t - moment))) for moment in MOMENTS]
    alphas = 1.0 / (1.0 + np.exp(-_log_snrs(t[frames])))
    return {
        "densities": [
            (truth.after(alpha) if moment else truth).values.T[::2, ::2]
            for alpha, moment in zip(alphas.tolist(), t[frames], strict=True)
        ],
        "t": t[frames],
        "points": z[frames],
        "paths": np.swapaxes(z[:, : 3 * options.num_paths], 0, 1),
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = [
        (
            f"W1 to the truth of {numbers['num_samples']} samples, {name},"
            f" {drawn['num_steps']} times",
            f"{drawn['wasserstein']:.4f}",
        )
        for name, drawn in numbers["samplers"].items()
    ]
    table.append(
        (
            f"of {numbers['num_samples']} draws of the truth itself",
            f"{numbers['wasserstein_of_truth']:.4f}",
        )
    )
    strided = numbers["samplers"]["DDIM, strided"]
    num = len(strided["paths"])
    paths = f"{num} paths" if num > 1 else "One path"
    return Caption(
        f"{paths} by each sampler over the true densities, from noise on the left to data on"
        " the right: ancestral sampling, which adds noise at every step, DDIM, which adds none,"
        f" and DDIM at {strided['num_steps']} times, whose samples are at a W1 of"
        f" {strided['wasserstein']:.3f} from the truth. Below, points of the plane on their"
        " way by DDIM.",
        "Heat maps of the density over time with paths of each sampler, rougher for ancestral"
        " sampling than for DDIM, and histograms of samples along the true density;"
        " below, a cloud of points that becomes two rings, with paths.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    drawing = Drawing(figsize=(style.WIDTH, 5.2), layout="constrained")
    upper, lower = drawing.subfigures(2, 1, height_ratios=(1.25, 1.0))
    samplers = numbers["samplers"]
    panels = upper.subplots(
        1, 2 * len(samplers), width_ratios=[1.0, 0.34] * len(samplers), sharey=True
    )
    for number, (name, drawn) in enumerate(samplers.items()):
        _paths(panels[2 * number], numbers, drawn)
        style.name(panels[2 * number], f"{name}, {drawn['num_steps']} times", "t")
        _histogram(panels[2 * number + 1], numbers, drawn)
    panels[0].set_ylabel("z")
    plane = numbers["plane"]
    row = lower.subplots(1, len(plane["t"]) + 1)
    columns = plane["t"], plane["densities"], plane["points"]
    for axes, t, density, points in zip(row, *columns, strict=False):
        _points(axes, density, points)
        style.name(axes, f"the plane, t = {t:.2g}")
    _points(row[-1], plane["densities"][-1], [])
    for path in plane["paths"]:
        along = np.asarray(path)
        row[-1].plot(*along.T, color=style.REVERSE, linewidth=0.8)
        row[-1].plot(*along[-1], ".", color=style.INK, markersize=3)
    style.name(row[-1], "paths of DDIM")
    return drawing


def _paths(axes: Axes, numbers: Numbers, drawn: Mapping[str, Any]) -> None:
    z = numbers["z"]
    style.heat(axes, numbers["map"], (1.0, 0.0, z[0], z[-1]), style.FORWARD)
    for path in drawn["paths"]:
        axes.plot(drawn["t"], path, color="white", linewidth=2.0, alpha=0.7)
        axes.plot(drawn["t"], path, color=style.REVERSE, linewidth=1.0)
    axes.set_xlim(1.0, 0.0)
    axes.set_ylim(-2.6, 2.6)


def _histogram(axes: Axes, numbers: Numbers, drawn: Mapping[str, Any]) -> None:
    edges = np.asarray(numbers["edges"])
    axes.barh(
        edges[:-1],
        drawn["histogram"],
        np.diff(edges),
        align="edge",
        color=style.REVERSE,
        alpha=0.45,
        linewidth=0.0,
    )
    axes.plot(numbers["q"], numbers["x"], color=style.TRUTH, linewidth=1.1)
    axes.set_xticks([])
    axes.spines[["bottom"]].set_visible(False)
    axes.tick_params(left=False)
    axes.set_xlim(left=0.0)
    style.name(axes, f"$W_1$ {drawn['wasserstein']:.3f}")


def _points(axes: Axes, density: Any, points: Any) -> None:
    limits = (PLANE.low, PLANE.high) * 2
    style.heat(axes, density, limits, style.FORWARD)
    if len(points):
        look: dict[str, Any] = {"color": style.REVERSE, "markersize": 1.5, "alpha": 0.8}
        axes.plot(*np.asarray(points).T, ".", rasterized=True, **look)
    axes.set_xlim(-2.4, 2.4)
    axes.set_ylim(-2.4, 2.4)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


CHOICE = Choice(
    Trajectories,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
)
