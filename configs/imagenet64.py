"""ImageNet at 64x64: improved DDPM (Nichol & Dhariwal 2021, arXiv:2102.09672).

One run:    python main.py --config=configs/imagenet64.py --workdir=/data/imagenet64
32x32:      ... --config.data.name=tfds:imagenet_resized/32x32
            --config.model.unet.feature_mults='(1,2,3)'
Old data:   ... --config.data.name=tfds:downsampled_imagenet/64x64
One minute: ... --config=configs/imagenet64.py:smoke

There are two data sets called ImageNet 64x64 (and 32x32), and a likelihood on one says nothing
of the other: the new one, `imagenet_resized`, is the official down-sampled release, smoothed
before it was shrunk; the old one, `downsampled_imagenet`, is that of PixelRNN. At 32x32 one
method differs by 0.26 bits per dim between them. The report names the one that was used.
Both have their test images in the split called "validation".

Source: the paper's ImageNet-64 settings, L_hybrid with a cosine schedule and T = 4000, on the
old data. Expected from the paper after 1,500,000 steps of 128: 3.57 bits per dim with L_hybrid,
3.53 with L_vlb, FID 19.2. Not yet reached here: no figure of our own stands behind this file.
"""

import ml_collections

from configs import cifar10_iddpm, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = cifar10_iddpm.get_config()
    c.data.update(
        name="tfds:imagenet_resized/64x64", batch_size=128, eval_split="validation"
    )
    c.model.unet.update(
        feature_mults=(1, 2, 3, 4),  # At 64, 32, 16 and 8 pixels.
        attention_at=(16, 8),
        dropout=0.0,
    )
    c.training.update(num_steps=1_500_000, eval_every=50_000, sample_every=50_000)
    c.eval.num_examples = 10_000
    return smoke.shrunk(c) if variant == "smoke" else c
