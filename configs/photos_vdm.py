"""x"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "posterior"
    c.data.update(name="photos", image_size=16, stride=8, batch_size=64)
    c.schedule.update(name="learned_monotone", num_steps=0)
    c.decoder.update(name="categorical", mean="z_0")
    c.model.update(name="vdm_unet", time_input="log_snr", log_snr_bounds=(-5.0, 13.3))
    c.model.vdm_unet.update(base_features=32, num_layers=4, dropout=0.0)
    c.loss.weighting = "elbo"
    c.optimizer.update(
        name="adamw",
        learning_rate=1e-3,
        schedule_learning_rate=1e-2,
        warmup_steps=100,
        b2=0.99,
        weight_decay=0.01,
        clip_norm=0.0,
    )
    c.ema.decay = 0.995
    c.training.update(
        num_steps=1_500,
        log_every=50,
        eval_every=500,
        sample_every=500,
        checkpoint_every=500,
    )
    c.eval.update(num_draws=4, batch_size=128, clip=False)
    c.sample.update(sampler="ancestral", num_steps=100, num_samples=64, clip=False)
    return smoke.shrunk(c) if variant == "smoke" else c
