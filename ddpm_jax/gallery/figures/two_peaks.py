"""Two peaks: a network trained on 800 points, against the density they came from."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.gallery import style, two_peaks_run
from ddpm_jax.gallery.figure import Caption, Figure, Numbers, Setting
from ddpm_jax.lab import densities, divergences
from ddpm_jax.lab.densities import Density, Grid

TITLE = "Two peaks: a trained model from end to end"
THEOREM = (
    "The probability flow of a model has a density in closed form but for an integral, log"
    " p(x) = log N(z_1; 0, 1) + the integral of the divergence of dz/dt (Chen et al. 2018;"
    " Song et al. 2021). By Gibbs -E[log p] is at least the entropy of the truth, and the"
    " bound -ELBO lies above that."
)
# Mix(N(-2, 0.5), N(2, 0.5)), of variances 0.5; the model sees numbers divided by the scale.
MEAN, VARIANCE, SCALE = 2.0, 0.5, 2.0
# Of the frames of a film, evenly spaced from t = 1 to 0, those that are shown.
NUM_FRAMES, SHOWN = 21, (20, 18, 14, 0)


@dataclasses.dataclass(frozen=True)
class TwoPeaks(Options):
    """Options of the figure, whose run is trained once for each num_steps and seed."""

    num_steps: int = option(5000, "Steps of training.", at_least=1)
    num_samples: int = option(10_000, "Samples of the model.", at_least=10)
    batch_size: int = option(2000, "Samples at once.", at_least=1)
    num_examples: int = option(
        500, "Test points whose likelihood is measured.", at_least=2
    )


def compute(options: TwoPeaks, setting: Setting) -> Numbers:
    """Histograms to noise and back, the model's density, and its figures against the truth."""
    grid = Grid(-9.0, 9.0, 1801)
    truth = densities.gaussian_mixture(grid, [-MEAN, MEAN], [math.sqrt(VARIANCE)] * 2)
    wanted = two_peaks_run.config(options.num_steps, setting.seed)
    folder = setting.folder / "runs"
    folder = folder / f"two_peaks_{options.num_steps}_seed{setting.seed}"
    restored = two_peaks_run.trained(wanted, folder)
    points = two_peaks_run.points(wanted, "train")
    samples = two_peaks_run.samples(
        restored, options.num_samples, NUM_FRAMES, options.batch_size
    )
    # 800 points fill fewer bins than the samples do.
    edges, coarse = np.linspace(-6.0, 6.0, 61), np.linspace(-6.0, 6.0, 37)
    x = np.linspace(-5.0, 5.0, 201)
    density = np.exp(two_peaks_run.log_density(restored, x))
    moments = []
    times = samples.t[list(SHOWN)]
    log_snrs = two_peaks_run.log_snrs(restored, times)
    generator = np.random.Generator(np.random.Philox(setting.seed))
    for frame, t, log_snr in zip(SHOWN, times, log_snrs, strict=True):
        alpha_bar = 1.0 / (1.0 + math.exp(-log_snr))
        noise = SCALE * generator.normal(size=points.size)
        forward = math.sqrt(alpha_bar) * points + math.sqrt(1.0 - alpha_bar) * noise
        variance = alpha_bar * VARIANCE + (1.0 - alpha_bar) * SCALE**2
        means = [-MEAN * math.sqrt(alpha_bar), MEAN * math.sqrt(alpha_bar)]
        exact = densities.gaussian_mixture(grid, means, [math.sqrt(variance)] * 2)
        moments.append(
            {
                "step": round(t * 999),
                "forward": _histogram(forward, coarse),
                "backward": _histogram(samples.frames[frame], coarse),
                "truth": np.interp(x, grid.points, exact.values),
            }
        )
    figures = two_peaks_run.likelihoods(restored, options.num_examples)
    fresh = truth.sample(generator, options.num_samples)
    return {
        "x": x,
        "edges": edges,
        "coarse_edges": coarse,
        "moments": moments,
        "truth": np.interp(x, grid.points, truth.values),
        "density": density,
        "histogram": _histogram(samples.last, edges),
        "mass": float(density.sum() * (x[1] - x[0])),
        "entropy": truth.entropy,
        "likelihoods": dict(figures),
        "wasserstein": {
            name: divergences.wasserstein(_counted(grid, values), truth)
            for name, values in (
                ("samples", samples.last),
                ("training points", points),
                ("fresh draws", fresh),
            )
        },
        "num_samples": options.num_samples,
        "num_steps": options.num_steps,
    }


def _histogram(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The density of numbers in bins; those beyond the bins count too."""
    counts, _ = np.histogram(numbers, edges)
    return counts / (numbers.size * np.diff(edges))


def _counted(grid: Grid, numbers: np.ndarray) -> Density:
    """The empirical distribution, each number at the nearest grid point."""
    nearest = np.rint((numbers - grid.low) / grid.spacing).astype(int)
    counts = np.bincount(np.clip(nearest, 0, grid.num - 1), minlength=grid.num)
    return densities.of_values(grid, counts.astype(np.float64))


def tell(numbers: Numbers) -> Caption:
    """The words."""
    bound, ode = numbers["likelihoods"].values()
    distances = numbers["wasserstein"]
    table = [
        ("entropy of the truth", f"{numbers['entropy']:.4f} nats"),
        ("-log p of test points by ODE", f"{ode[0]:.4f} ± {ode[1]:.4f} nats"),
        (
            "bound on -log p (-ELBO) of test points",
            f"{bound[0]:.4f} ± {bound[1]:.4f} nats",
        ),
        ("mass of the ODE's density on [-5, 5]", f"{numbers['mass']:.4f}"),
        *(
            (f"W1 to the truth, {name}", f"{distance:.4f}")
            for name, distance in distances.items()
        ),
    ]
    return Caption(
        "Above, 800 points of two peaks diffused to noise; in the middle, samples of"
        f" a network trained on them for {numbers['num_steps']} steps, brought back from it;"
        " below, its samples and its exact density by ODE against the truth. The samples are at"
        f" a W1 of {distances['samples']:.3f} from the truth, the 800 points themselves at"
        f" {distances['training points']:.3f}.",
        "Histograms of 800 points at four noise levels, from two peaks to one normal curve,"
        " and of the model's samples at the same levels, with the true curves; below, the"
        " histogram of the samples and the model's density along the truth.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    moments = numbers["moments"]
    drawing = Drawing(figsize=(style.WIDTH, 5.6), layout="constrained")
    upper, lower = drawing.subfigures(2, 1, height_ratios=(1.45, 1.0))
    panels = upper.subplots(2, len(moments), sharex=True, sharey=True)
    for column, moment in enumerate(moments):
        for row, (name, colour) in enumerate(
            (("forward", style.FORWARD), ("backward", style.REVERSE))
        ):
            axes = panels[row, column]
            _bars(axes, numbers["coarse_edges"], moment[name], colour)
            axes.plot(numbers["x"], moment["truth"], color=style.TRUTH, linewidth=1.0)
            style.without_y(axes)
        style.name(panels[0, column], f"step {moment['step']}")
    style.say(panels[0, 0], 0.0, 0.92, "800 points →", style.FORWARD)
    style.say(panels[0, 0], 0.0, 0.8, "truth", style.TRUTH)
    style.say(panels[1, -1], 1.0, 0.92, "← the model", style.REVERSE, ha="right")
    panels[0, 0].set_ylim(0.0, 0.34)
    panels[0, 0].set_xlim(-5.5, 5.5)
    _result(lower.subplots(), numbers)
    return drawing


def _bars(axes: Axes, edges: Any, heights: Any, colour: str) -> None:
    axes.stairs(heights, edges, fill=True, color=colour, alpha=0.42, linewidth=0.0)


def _result(axes: Axes, numbers: Numbers) -> None:
    _bars(axes, numbers["edges"], numbers["histogram"], style.REVERSE)
    axes.plot(
        numbers["x"], numbers["truth"], color=style.TRUTH, linewidth=2.2, alpha=0.8
    )
    axes.plot(numbers["x"], numbers["density"], color=style.FIT, linestyle=(0, (4, 2)))
    style.without_y(axes)
    axes.set_xlim(-5.5, 5.5)
    ode = numbers["likelihoods"][two_peaks_run.FLOW]
    for place, (text, colour) in enumerate(
        (
            (f"truth, entropy {numbers['entropy']:.3f} nats", style.TRUTH),
            (f"density by ODE, -log p = {ode[0]:.3f} ± {ode[1]:.3f}", style.FIT),
            (f"{numbers['num_samples']:,} samples", style.REVERSE),
        )
    ):
        style.say(axes, 0.5, 0.93 - 0.09 * place, text, colour, ha="center")
    style.name(axes, "what the model has learned", "x")


CHOICE = Choice(
    TwoPeaks,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
)
