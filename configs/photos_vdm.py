"""Variational diffusion on patches of scikit-learn's two photographs: ends and interior learn.

One run:    python main.py --config=configs/photos_vdm.py --workdir=runs/photos_vdm
Published:  ... --config=configs/photos_vdm.py:published
One knob:   ... --config.schedule.learned_monotone.interior=line
One minute: ... --config=configs/photos_vdm.py:smoke

Continuous time; the ends of log SNR learn by the bound, what is between them learns to make the
batch's loss vary least. The network is a small U-Net of two resolutions with Fourier features,
292,197 parameters with the schedule's. The variant `published` is the design of Kingma et al.
2021 (arXiv:2107.00630) at this size: no change of resolution, constant rate, 337,157 parameters
with two learned ends.

Reached: 2.626 bits per dim on 1,920 test patches (s.e. 0.012 over draws, 0.034 over images)
after 1,500 steps, in 5 minutes on 2 cores; `published` 2.665 (0.020, 0.038) by steps that take
2.8 times as long. The learned interior has 0.66 times the straight line's variance of a batch's
loss (`python -m benchmarks.variational`).
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant, "published")
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "posterior"
    c.data.update(name="photos", image_size=16, stride=8, batch_size=64)
    c.schedule.update(name="learned_monotone", num_steps=0)
    c.schedule.learned_monotone.update(log_snr_min=-5.0, log_snr_max=13.3)
    c.decoder.update(name="categorical", mean="z_0")
    c.model.update(name="unet", time_input="log_snr", log_snr_bounds=(-5.0, 13.3))
    c.model.unet.update(
        base_features=32,
        feature_mults=(1, 1),  # At 16 and 8 pixels.
        blocks_per_level=1,
        attention_at=(8,),
        dropout=0.0,
        num_groups=8,
        fourier_exponents=(7, 8),
    )
    c.loss.update(weighting="elbo", interior="variance")
    c.optimizer.update(
        name="adamw",
        learning_rate=3e-3,
        schedule_learning_rate=3e-2,
        warmup_steps=100,
        decay="cosine",
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
    c.eval.update(num_draws=4, num_examples=1920, batch_size=128, clip=False)
    c.sample.update(
        sampler="ancestral", num_steps=250, num_samples=64, threshold="none"
    )
    if variant == "published":
        c.schedule.learned_monotone.interior = "line"
        c.loss.interior = "elbo"
        c.model.name = "vdm_unet"
        c.model.vdm_unet.update(base_features=32, num_layers=4, dropout=0.0)
        c.optimizer.update(
            learning_rate=1e-3,
            schedule_learning_rate=1e-3,
            decay="constant",
            clip_norm=0.0,
        )
    return smoke.shrunk(c) if variant == "smoke" else c
