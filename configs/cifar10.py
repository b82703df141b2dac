"""CIFAR-10, unconditional: the DDPM of Ho et al. 2020 (arXiv:2006.11239).

One run:    python main.py --config=configs/cifar10.py --workdir=/data/cifar10
One knob:   ... --config.optimizer.learning_rate=1e-4
One minute: ... --config=configs/cifar10.py:smoke

Source: the paper's settings (section 4, appendix B): 35,746,307 parameters. Expected from the
paper: at most 3.75 bits per dim, FID 3.17, after 800,000 steps of 128 images; a TPU v3-8 took
10.6 hours. Not yet reached here: no figure of our own stands behind this file.
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "forward"
    c.data.update(name="tfds:cifar10", batch_size=128, flip=True)
    c.schedule.update(name="linear_beta", num_steps=1000)
    c.schedule.linear_beta.update(beta_start=1e-4, beta_end=0.02)
    c.model.unet.update(
        base_features=128,
        feature_mults=(1, 2, 2, 2),  # At 32, 16, 8 and 4 pixels.
        blocks_per_level=2,
        attention_at=(16,),
        dropout=0.1,
    )
    c.loss.weighting = "simple"
    c.optimizer.update(
        name="adam", learning_rate=2e-4, warmup_steps=5_000, clip_norm=1.0
    )
    c.ema.decay = 0.9999
    c.training.update(
        num_steps=800_000,
        log_every=100,
        eval_every=20_000,
        sample_every=20_000,
        checkpoint_every=5_000,
        keep_every=100_000,
    )
    c.eval.update(num_draws=16, batch_size=512)
    c.sample.update(sampler="ancestral", num_steps=1000, num_samples=64)
    return smoke.shrunk(c) if variant == "smoke" else c
