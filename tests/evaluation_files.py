"""Evaluations as they lie in workdirs, with figures made up for tests."""

import json

import numpy as np

from ddpm_jax import config as config_lib

CONVENTION = {
    "data": {
        "name": "digits",
        "version": "one",
        "split": "test",
        "resizing": "none",
        "num_examples": 20,
    },
    "figure": "variational upper bound",
    "estimator": "stratified",
    "num_latents": 10,
    "prediction": "eps",
    "x_hat": "not clipped",
    "step": 4,
}
NUM_DIMS = 64
UNIT = NUM_DIMS * np.log(2.0)


def halves(seed, size=20, *, shared=0.0, own=1.0, offset=0.0):
    """Nats by either half of the draws: images and noise that runs share, and their own."""
    common, private = np.random.default_rng(0), np.random.default_rng(seed + 1)
    images = 100.0 + 9.0 * common.standard_normal(size)
    noise = shared * common.standard_normal((2, size))
    return images + offset + noise + own * private.standard_normal((2, size))


def report(
    values,
    *,
    failed=(),
    terms=("prior", "diffusion"),
    num_draws=4,
    num_dims=NUM_DIMS,
    **convention,
):
    """One estimator's report on [2, images] nats, by formulas of its own."""
    values = np.delete(values, failed, axis=1)
    nats, unit = values.mean(0), num_dims * np.log(2.0)
    convention = {**CONVENTION, **convention}
    variance = np.sum((values[0] - values[1]) ** 2) / 4.0
    bits = nats.mean() / unit
    share = {"bits_per_dim": bits / len(terms), "stderr": 0.1, "stderr_images": 0.1}
    return {
        "estimator": convention["estimator"],
        "bits_per_dim": bits,
        "bits_per_dim_stderr": np.sqrt(variance) / len(nats) / unit,
        "bits_per_dim_stderr_images": nats.std(ddof=1) / np.sqrt(len(nats)) / unit,
        "terms": dict.fromkeys(terms, share),
        "num_examples": len(nats),
        "num_draws": num_draws,
        "num_network_evaluations": 6.0,
        "failed": {"not_converged": list(failed)},
        "convention": convention,
    }


def run(
    path, values, *, step=4, seed=0, also=None, failed=(), num_dims=NUM_DIMS, **changes
):
    """Writes a workdir: config.json, the report, and the values of each image.

    `also` is {estimator: nats}; `changes` are `report`'s.
    """
    changes |= {"failed": (failed := list(failed)), "num_dims": num_dims}
    found = report(values, **changes)
    kept = {found["estimator"]: values, **(also or {})}
    found["also"] = {
        name: report(other, **{**changes, "estimator": name})
        for name, other in (also or {}).items()
    }
    folder = path / "eval"
    folder.mkdir(parents=True, exist_ok=True)
    config = config_lib.default()
    config.seed = seed
    (path / "config.json").write_text(json.dumps(config.to_dict()))
    (folder / f"{step}.json").write_text(json.dumps(found))
    for name, nats in kept.items():
        np.savez(
            folder / f"{step}_{name}.npz",
            index=np.delete(np.arange(nats.shape[1]), failed),
            nats=np.delete(nats.mean(0), failed),
            halves=np.delete(nats, failed, axis=1),
            num_dims=num_dims,
        )
    return path
