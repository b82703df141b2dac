"""How near samplers come to the end of the probability flow, and by what order more steps help.

    python -m benchmarks.convergence

Models are exact, so that all error is the samplers': of Gaussian data, whose flow has a closed
form, and of a mixture of three Gaussians in the plane, whose flow is solved to 1e-12. Errors
are those of 128 latents at t = 0 together, relative (L2). Section by section:

    order    on the cosine schedule in continuous time, over even steps in log SNR
    peer     in 50 questions on DDPM's chain of 1000 latents, over every grid; and diffusers'
             DDIM and DPM-Solver++ 2M with the same noise, if benchmarks/requirements.txt
             is installed

The figures are printed and written to benchmarks/results/, the orders drawn in
docs/convergence.png.
"""

import argparse
import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

from benchmarks import measure
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import betas, schedules
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import ddim, dpm_solver, edm, loop, time_grids, unipc

STEPS = (20, 40, 80, 160, 320, 640)
NUM_SAMPLES = 128
SHAPE = (1, 2, 1)
LOG_SNR_MIN, LOG_SNR_MAX = -10.0, 10.0
NUM_QUESTIONS, NUM_LATENTS = 50, 1000
PLOT = pathlib.Path(__file__).parents[1] / "docs" / "convergence.png"

# Sampler, its order, questions a step. No lower order at the end, which would cap it.
SAMPLERS: dict[str, tuple[loop.Sampler, int, int]] = {
    "DDIM": (ddim.make(), 1, 1),
    "Heun": (edm.heun(), 2, 2),
    "DPM-Solver++ 2S": (dpm_solver.single_step(2), 2, 1),
    "DPM-Solver++ 3S": (dpm_solver.single_step(3), 3, 1),
    "DPM-Solver++ 2M": (dpm_solver.multistep(2, lower_order_final=False), 2, 1),
    "DPM-Solver++ 3M": (dpm_solver.multistep(3, lower_order_final=False), 3, 1),
    "UniPC-1": (unipc.make(1, lower_order_final=False), 2, 1),
    "UniPC-2": (unipc.make(2, lower_order_final=False), 3, 1),
    "UniPC-3": (unipc.make(3, lower_order_final=False), 4, 1),
}
# Of the comparison with the peer: as they come.
OURS = {
    "ddim": ddim.make(),
    "2m": dpm_solver.multistep(2),
    "unipc": unipc.make(2),
}
GRIDS = ("uniform", "quadratic", "log_snr", "karras")


def mixture_model(
    log_snr: LogSnr, means: np.ndarray, stds: np.ndarray, weights: np.ndarray
) -> Diffusion:
    """The best model of a mixture of Gaussians in the plane, each coordinate with its own std.

    Args:
      log_snr: the schedule.
      means: [parts, 2].
      stds: [parts, 2].
      weights: [parts].
    """

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        l_t = log_snr(t)[:, None, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        variance = (alpha * stds[None]) ** 2 + sigma**2
        z = z_t.reshape(-1, 1, 2)
        away = z - alpha * means[None]
        exponent = -0.5 * jnp.sum(away**2 / variance + jnp.log(variance), axis=-1)
        share = jax.nn.softmax(exponent + np.log(weights)[None], axis=-1)
        centres = means[None] + alpha * stds[None] ** 2 / variance * away
        x = jnp.sum(share[..., None] * centres, axis=1, keepdims=True)
        eps = (z - alpha * x) / sigma
        shape = z_t.shape
        return Prediction(x.reshape(shape), eps.reshape(shape), jnp.zeros((), z.dtype))

    return Diffusion(log_snr, denoise)


GAUSSIAN = (np.array([[0.3, -0.2]]), np.array([[0.6, 0.25]]), np.ones(1))
MIXTURE = (
    np.array([[-0.6, 0.3], [0.5, 0.5], [0.1, -0.7]]),
    np.repeat([[0.4], [0.5], [0.3]], 2, axis=1),
    np.array([0.5, 0.3, 0.2]),
)
# Of the comparison with the peer. By two widths, since at one of them errors of different
# details may happen to cancel.
CLOUD_MEAN, CLOUD_STDS = 0.2, (0.5, 0.2)


def alpha_sigma(log_snr: float) -> tuple[float, float]:
    alpha_sq = 1.0 / (1.0 + np.exp(-log_snr))
    return float(np.sqrt(alpha_sq)), float(np.sqrt(1.0 - alpha_sq))


def gaussian_end(
    data: tuple[np.ndarray, ...], z_1: np.ndarray, log_snr_1: float, log_snr_0: float
) -> np.ndarray:
    """Where the flow of a single Gaussian leads: (z - alpha m) / std(z) stays as it is."""
    mean, std = (a.reshape(1, *SHAPE) for a in data[:2])
    (alpha_1, sigma_1), (alpha_0, sigma_0) = map(alpha_sigma, (log_snr_1, log_snr_0))
    spread = np.sqrt((alpha_0 * std) ** 2 + sigma_0**2)
    spread = spread / np.sqrt((alpha_1 * std) ** 2 + sigma_1**2)
    return alpha_0 * mean + spread * (z_1 - alpha_1 * mean)


def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NUM_SAMPLES, *SHAPE))


def distance(found: Any, truth: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(found) - truth) / np.linalg.norm(truth))


@functools.partial(jax.jit, static_argnums=(0, 1))
def follow(
    diffusion: Diffusion, sampler: loop.Sampler, times: jax.Array, z: jax.Array
) -> loop.Result:
    keys = jax.random.split(jax.random.key(0), NUM_SAMPLES)
    return loop.sample_from(diffusion, sampler, times, z, keys)


def order_section() -> dict[str, Any]:
    """Errors of each number of steps, and the power of it that they follow."""
    log_snr = schedules.cosine(LOG_SNR_MIN, LOG_SNR_MAX).log_snr
    z = noise()
    models = {
        "gaussian": mixture_model(log_snr, *GAUSSIAN),
        "mixture": mixture_model(log_snr, *MIXTURE),
    }
    solve = probability_flow.Solve("dopri8", rtol=1e-12, atol=1e-12, max_steps=20_000)
    solved = jax.jit(probability_flow.backward, static_argnums=(0, 2))(
        models["mixture"], jnp.asarray(z), solve
    )
    truths = {
        "gaussian": gaussian_end(GAUSSIAN, z, LOG_SNR_MIN, LOG_SNR_MAX),
        "mixture": np.asarray(solved.z_0),
    }
    report: dict[str, Any] = {"num_steps": list(STEPS)}
    for name, model in models.items():
        report[name] = {}
        for title, (sampler, order, questions) in SAMPLERS.items():
            errors = []
            for num_steps in STEPS:
                times = time_grids.by_log_snr(log_snr, CONTINUOUS, num_steps + 1)
                end = follow(model, sampler, times, jnp.asarray(z)).z
                errors.append(distance(end, truths[name]))
            slope, _ = np.polyfit(np.log(STEPS), np.log(errors), 1)
            report[name][title] = {
                "order": order,
                "measured_order": -float(slope),
                "last_doubling": float(np.log2(errors[-2] / errors[-1])),
                "questions_a_step": questions,
                "errors": errors,
            }
    return report


def peer_section() -> dict[str, Any]:
    """Errors of 50 questions: of the latent at t = 0, and of x_hat there."""
    report: dict[str, Any] = {"num_questions": NUM_QUESTIONS}
    for std in CLOUD_STDS:
        report[f"std_{std}"] = _one_cloud(std)
    return report


def _one_cloud(std: float) -> dict[str, Any]:
    """Of N(0.2, std^2) pixels."""
    log_snr = schedules.linear_beta(NUM_LATENTS).log_snr
    alpha_bars = np.cumprod(1.0 - betas.linear(NUM_LATENTS, 1e-4, 0.02))
    table = np.log(alpha_bars) - np.log1p(-alpha_bars)
    data = (np.full((1, 2), CLOUD_MEAN), np.full((1, 2), std), np.ones(1))
    model, z = mixture_model(log_snr, *data), noise()
    z_0 = gaussian_end(data, z, table[-1], table[0])
    x_0 = np.asarray(model.denoise(jnp.asarray(z_0), jnp.zeros(NUM_SAMPLES)).x)

    def eps(z: np.ndarray, index: int) -> np.ndarray:
        """What a network that predicts noise would answer."""
        alpha_bar = alpha_bars[index]
        variance = alpha_bar * std**2 + 1.0 - alpha_bar
        return (
            np.sqrt(1.0 - alpha_bar) / variance * (z - np.sqrt(alpha_bar) * CLOUD_MEAN)
        )

    ours: dict[str, Any] = {}
    for name, sampler in OURS.items():
        ours[name] = {}
        for grid in GRIDS:
            times = time_grids.TIME_GRIDS[grid].default(
                log_snr, NUM_LATENTS, NUM_QUESTIONS
            )
            arrival = follow(model, sampler, times, jnp.asarray(z))
            ours[name][grid] = {
                "latent": distance(arrival.z, z_0),
                "data": distance(arrival.prediction.x, x_0),
            }
    return {"ours": ours, "diffusers": _of_peer(eps, z, {"latent": z_0, "data": x_0})}


def _of_peer(
    eps: Callable[[np.ndarray, int], np.ndarray],
    z_1: np.ndarray,
    truths: dict[str, np.ndarray],
) -> dict[str, Any] | None:
    """Errors of diffusers' schedulers, None where it is not installed."""
    peer_schedulers = measure.peer("peer_schedulers")
    if not peer_schedulers:
        return None
    found = {}
    for name, (_, ends_with) in peer_schedulers.SCHEDULERS.items():
        end = peer_schedulers.end(name, eps, z_1, NUM_QUESTIONS)
        asked = peer_schedulers.times(name, NUM_QUESTIONS)
        found[name] = {
            ends_with: distance(end, truths[ends_with]),
            "last_asked": asked[-1],
        }
    return found


def plot(report: dict[str, Any], path: pathlib.Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, 2, figsize=(11.0, 5.0), sharey=True, layout="constrained"
    )
    styles = {1: ":", 2: "--", 3: "-", 4: "-."}
    for panel, name in zip(panels, ("gaussian", "mixture"), strict=True):
        for number, (title, one) in enumerate(report[name].items()):
            asked = one["questions_a_step"] * np.array(report["num_steps"]) + 1
            panel.loglog(
                asked,
                one["errors"],
                styles[one["order"]],
                color=pyplot.colormaps["tab10"](number),
                marker="o",
                markersize=3,
                label=f"{title}: order {one['order']}",
            )
        panel.set_title({"gaussian": "Gaussian data", "mixture": "A mixture"}[name])
        panel.set_xlabel("questions to the network")
        panel.grid(which="major", alpha=0.3)
    panels[0].set_ylabel("distance from the flow's end, relative")
    panels[1].legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def show_orders(report: dict[str, Any]) -> None:
    for name in ("gaussian", "mixture"):
        counts = "".join(f"{steps:>10}" for steps in report["num_steps"])
        print(f"\n{name:<18}{counts}   theory  measured  last doubling")
        for title, one in report[name].items():
            errors = "".join(f"{error:10.1e}" for error in one["errors"])
            print(
                f"{title:<18}{errors}{one['order']:9}{one['measured_order']:10.2f}"
                f"{one['last_doubling']:15.2f}"
            )


SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "order": order_section,
    "peer": peer_section,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=measure.path, default=measure.RESULTS)
    parser.add_argument("--plot", type=measure.path, default=PLOT)
    args = parser.parse_args()
    report = measure.environment()
    with jax.enable_x64(True):
        for name, section in SECTIONS.items():
            report[name] = section()
    show_orders(report["order"])
    print(json.dumps(report["peer"], indent=2))
    plot(report["order"], args.plot)
    path = measure.write("convergence", report, args.results)
    print(f"written to {path} and {args.plot}")


if __name__ == "__main__":
    main()
