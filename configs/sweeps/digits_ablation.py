"""Schedule, prediction and number of latents on the digits, one factor at a time.

Ten runs:     python -m ddpm_jax sweep configs/sweeps/digits_ablation.py --workdir=runs/ablation
A short look: ... -- --config.training.num_steps=20 --config.eval.num_examples=40

All are configs/digits_vdm.py but for what is said here, and 400 steps. The base is the straight
line of log SNR, eps and T = 1000; it is a run of each of the three grids. The line, the
cosine and the learned schedule's start run from log SNR 8 to -6. The table of linear betas
has its own ends, 9.2 and -10.1 at T = 1000, and no continuous time.
"""

from typing import Any


def get_sweep() -> dict[str, Any]:
    overrides = {
        "schedule.name": "linear_log_snr",
        "schedule.num_steps": 1000,
        "schedule.linear_log_snr.log_snr_min": -6.0,
        "schedule.linear_log_snr.log_snr_max": 8.0,
        "prediction": "eps",
        "training.num_steps": 400,
        "training.eval_every": 0,  # At the end, by --mode=eval.
        "training.sample_every": 0,
        "training.checkpoint_every": 100,
        "eval.num_draws": 32,
        "sample.num_steps": 10,  # No more than the fewest latents.
    }
    schedules = {
        "line": {"schedule.name": "linear_log_snr"},
        "linear_beta": {
            "schedule.name": "linear_beta",
            "model.log_snr_bounds": (),  # Its own ends.
        },
        "cosine": {
            "schedule.name": "cosine",
            "schedule.cosine.log_snr_min": -6.0,
            "schedule.cosine.log_snr_max": 8.0,
        },
        "learned": {"schedule.name": "learned_monotone"},
    }
    latents = {
        str(number): {"schedule.num_steps": number} for number in (10, 100, 1000)
    }
    return {
        "config": "configs/digits_vdm.py",
        "overrides": overrides,
        "grids": [
            {"schedule": schedules},
            {"prediction": ["eps", "x", "v", "mean"]},
            {"T": {**latents, "infinity": {"schedule.num_steps": 0}}},
        ],
    }
