"""scikit-learn's 8x8 digits, 17 grey values: a whole run in minutes on a laptop.

One run:    python main.py --config=configs/digits.py --workdir=runs/digits
One minute: ... --config=configs/digits.py:smoke
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "posterior"
    c.data.update(name="digits", batch_size=64, num_threads=1)
    c.schedule.update(name="linear_log_snr", num_steps=256)
    c.schedule.linear_log_snr.update(log_snr_min=-6.0, log_snr_max=6.0)
    c.model.unet.update(
        base_features=32,
        feature_mults=(1, 2, 2),
        blocks_per_level=2,
        attention_at=(4,),
        dropout=0.1,
        num_groups=8,
    )
    c.loss.weighting = "elbo"
    c.optimizer.update(
        name="adamw", learning_rate=2e-3, warmup_steps=100, b2=0.99, weight_decay=0.01
    )
    c.ema.decay = 0.995
    c.training.update(
        num_steps=1_000,
        log_every=50,
        eval_every=500,
        sample_every=500,
        checkpoint_every=250,
    )
    c.eval.update(num_draws=16, batch_size=360)
    c.sample.update(sampler="ancestral", num_steps=256, num_samples=64)
    return smoke.shrunk(c) if variant == "smoke" else c
