"""Points of a known density on a line, 1/2 N(-2, 0.5) + 1/2 N(2, 0.5): a run in a minute.

One run:    python main.py --config=configs/two_peaks.py --workdir=runs/two_peaks
Fresh:      ... --config=configs/two_peaks.py:fresh    (no point is seen twice)
One knob:   ... --config.prediction=eps
Continuous: ... --config.schedule.num_steps=0 --config.decoder.mean=z_0
            --config.reverse_variance=posterior; with a learned schedule also
            --config.schedule.name=learned_monotone --config.model.time_input=log_snr
            --config.loss.weighting=elbo
One minute: ... --config=configs/two_peaks.py:smoke

0.5 is the variance of a peak, and the truth has an entropy of 1.7589 nats. Reached on 2,000
test points, in nats over the truth's own density of them (s.e. over points); W1 is of 10,000
samples by the whole chain to 100,000 fresh points, where 10,000 true points have 0.021 (0.010
to 0.045) and the 800 for training 0.112:

    what                  training    bound             flow               W1
    800 points            20 s        0.048 (0.020)     0.0056 (0.0023)    0.101
    :fresh                50 s        0.032 (0.020)     -0.0006 (0.0010)   0.018
    continuous time       20 s        0.046 (0.023)     0.0051 (0.0023)    0.099
    and a learned one     30 s        0.035 (0.019)     0.0078 (0.0033)    0.113

Training is in CPU seconds, with compilation; evaluation and samples take 25 more. By eps over
linear betas the flow is 0.031 (0.005) over the truth after as many steps.
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
