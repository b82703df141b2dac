"""Points of a known density in the plane, two spirals or another shape: two minutes.

One run:    python main.py --config=configs/points2d.py --workdir=runs/points2d
Others:     ... --config.data.name=points:rings    (moons, checkerboard)
A file's:   ... --config.data.name=points:mine.csv --config.decoder.gaussian.scale=<its std>
One minute: ... --config=configs/points2d.py:smoke

Reached on 2,000 test points, in nats over the truth's own density of them (s.e. over points);
W1 is sliced, of 10,000 samples by the whole chain to 100,000 fresh points, where 10,000 true
points have 0.015 to 0.018 on average:

    points          entropy    bound            flow              W1
    spirals         2.4619     0.062 (0.027)    0.026 (0.004)     0.016
    rings           2.6489     0.066 (0.027)    0.036 (0.005)     0.018
    moons           2.3933     0.052 (0.028)    0.010 (0.003)     0.013
    checkerboard    2.0794     0.111 (0.027)    0.067 (0.005)     0.018

Training takes 80 CPU seconds, evaluation and samples as much again. Without the Fourier
features the spirals' flow is 0.082 (0.007) over the truth.
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = config.default()
    c.prediction = "v"
    c.reverse_variance = "learned"
    c.data.update(name="points:spirals", batch_size=512, num_threads=1)
    c.schedule.update(name="cosine", num_steps=1000)
    c.decoder.update(name="gaussian", mean="x_hat")
    c.decoder.gaussian.scale = 1.5  # The data's standard deviation is 1.5.
    c.model.name = "mlp"
    c.model.mlp.update(features=128, num_blocks=3, fourier_exponents=(0, 1))
    c.optimizer.update(
        name="adamw", learning_rate=2e-3, warmup_steps=200, decay="cosine"
    )
    c.ema.decay = 0.999
    c.training.update(
        num_steps=6_000,
        log_every=1_000,
        eval_every=6_000,
        sample_every=6_000,
        checkpoint_every=6_000,
    )
    # No point is seen twice.
    num_train = c.training.num_steps * c.data.batch_size
    c.data.points.update(num_train=num_train, num_test=2_000)
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
    return smoke.shrunk(c) if variant == "smoke" else c
