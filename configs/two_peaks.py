"""Points of a known density on a line, 1/2 N(-2, 0.5) + 1/2 N(2, 0.5): a run in a minute.

One run:    python main.py --config=configs/two_peaks.py --workdir=runs/two_peaks
Fresh:      ... --config=configs/two_peaks.py:fresh    (no point is seen twice)
One knob:   ... --config.prediction=eps
One minute: ... --config=configs/two_peaks.py:smoke
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant, "fresh")
    c = config.default()
    c.prediction = "v"
    c.reverse_variance = "learned"
    c.data.update(name="points:two_peaks", batch_size=128, num_threads=1)
    c.data.points.update(num_train=800, num_test=2_000)
    c.schedule.update(name="cosine", num_steps=1000)
    c.decoder.update(name="gaussian", mean="x_hat")
    c.decoder.gaussian.scale = 2.0  # The data's standard deviation is 2.1.
    c.model.name = "mlp"
    c.model.mlp.update(features=64, num_blocks=2)
    c.optimizer.update(
        name="adamw",
        learning_rate=2e-3,
        warmup_steps=100,
        decay="cosine",
        weight_decay=0.01,
    )
    c.ema.decay = 0.99
    c.training.update(
        num_steps=5_000,
        log_every=500,
        eval_every=5_000,
        sample_every=5_000,
        checkpoint_every=5_000,
    )
    # A pilot pass finds where along time the bound varies: near the data.
    c.eval.update(
        estimators="stratified,ode,wasserstein",
        num_draws=128,
        pilot_examples=256,
        batch_size=500,
        clip=False,
    )
    c.eval.ode.update(dequantization="none", divergence="exact")
    c.eval.quality.update(extractor="values", num_samples=10_000)
    c.sample.update(
        num_steps=1000, num_samples=10_000, batch_size=2_000, threshold="none"
    )
    if variant == "fresh":
        c.data.batch_size = 512
        c.ema.decay = 0.999
        c.training.update(
            num_steps=6_000,
            eval_every=6_000,
            sample_every=6_000,
            checkpoint_every=6_000,
        )
        c.data.points.num_train = c.training.num_steps * c.data.batch_size
    return smoke.shrunk(c) if variant == "smoke" else c
