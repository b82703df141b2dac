"""CIFAR-10 by variational diffusion: the models of Kingma et al. 2021 (arXiv:2107.00630).

One run:    python main.py --config=configs/cifar10_vdm.py --workdir=/data/cifar10_vdm
Augmented:  ... --config=configs/cifar10_vdm.py:aug
Paper's:    ... --config=configs/cifar10_vdm.py:aug_paper
Small:      ... --config=configs/cifar10_vdm.py:small
One knob:   ... --config.schedule.learned_monotone.interior=network
One minute: ... --config=configs/cifar10_vdm.py:smoke

Source: the authors' configs; 30,578,181 parameters, 122,140,677 with `aug` and 139,279,877 with
`aug_paper`, which attends in every block. Expected: 2.65 bits per dim (paper) after 10,000,000
steps of 128 images; augmented 2.49 (paper) or 2.52 (their checkpoint). `small` has an eighth of
the depth, for ablations. Not yet reached here: no figure of our own stands behind this file.

Where the authors learn the interior by the bound, here it lowers the loss's variance; write
--config.loss.interior=elbo for theirs. Evaluation is of the images as they are, the flag 0.
"""

import ml_collections

from configs import smoke
from ddpm_jax import config


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant, "aug", "aug_paper", "small")
    c = config.default()
    c.prediction = "eps"
    c.reverse_variance = "posterior"
    c.data.update(name="tfds:cifar10", batch_size=128)
    c.schedule.update(name="learned_monotone", num_steps=0)
    c.schedule.learned_monotone.update(
        interior="line", log_snr_min=-5.0, log_snr_max=13.3
    )
    c.decoder.update(name="categorical", mean="z_0")
    c.model.update(name="vdm_unet", time_input="log_snr", log_snr_bounds=(-5.0, 13.3))
    c.model.vdm_unet.update(base_features=128, num_layers=32, dropout=0.1)
    c.loss.weighting = "elbo"
    c.optimizer.update(
        name="adamw",
        learning_rate=2e-4,
        schedule_learning_rate=2e-4,
        warmup_steps=100,
        b2=0.99,
        weight_decay=0.01,
        clip_norm=0.0,
    )
    c.ema.decay = 0.9999
    c.training.update(
        num_steps=10_000_000,
        log_every=1_000,
        eval_every=20_000,
        sample_every=20_000,
        checkpoint_every=10_000,
        keep_every=1_000_000,
    )
    c.eval.update(num_draws=16, batch_size=512, clip=False)
    c.sample.update(
        sampler="ancestral", num_steps=1000, num_samples=64, threshold="none"
    )
    if variant.startswith("aug"):
        c.data.update(flip=True, rotate=True, augmentation_flag=True, batch_size=1024)
        c.schedule.learned_monotone.interior = "network"
        c.model.vdm_unet.update(base_features=256, dropout=0.05, remat=True)
        if variant == "aug":
            c.data.batch_size = 768
            c.optimizer.update(learning_rate=1e-4, schedule_learning_rate=1e-4)
        else:
            c.model.vdm_unet.attention_everywhere = True
    if variant == "small":
        c.model.vdm_unet.num_layers = 4
        c.training.num_steps = 1_000_000
    return smoke.shrunk(c) if variant == "smoke" else c
