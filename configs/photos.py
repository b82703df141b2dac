"""Patches of scikit-learn's two photographs, 16x16 in colour: 256 values without a download.

One run:    python main.py --config=configs/photos.py --workdir=runs/photos
Larger:     ... --config.data.image_size=32 --config.model.unet.attention_at='(8,)'
One minute: ... --config=configs/photos.py:smoke

Training patches come from the left three quarters of each photograph, test patches from the
right quarter. A toy: two photographs are not a distribution, and its figures only compare
choices made here.
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "posterior"
    c.data.update(name="photos", image_size=16, stride=8, batch_size=64, flip=True)
    c.schedule.update(name="linear_log_snr", num_steps=1000)
    c.schedule.linear_log_snr.update(log_snr_min=-5.0, log_snr_max=11.0)
    c.model.unet.update(
        base_features=32,
        feature_mults=(1, 2, 2),
        blocks_per_level=1,
        attention_at=(8,),
        dropout=0.0,
        num_groups=8,
    )
    c.loss.weighting = "elbo"
    c.optimizer.update(
        name="adamw",
        learning_rate=1e-3,
        warmup_steps=100,
        b2=0.99,
        weight_decay=0.01,
        clip_norm=1.0,
    )
    c.ema.decay = 0.995
    c.training.update(
        num_steps=1_500,
        log_every=50,
        eval_every=500,
        sample_every=500,
        checkpoint_every=500,
    )
    c.eval.update(num_draws=16, batch_size=128)
    c.sample.update(sampler="ancestral", num_steps=250, num_samples=64)
    return smoke.shrunk(c) if variant == "smoke" else c
