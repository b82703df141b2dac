"""CelebA at 64x64: the faces cut to 140x140 at the centre, then shrunk.

One run:    python main.py --config=configs/celeba64.py --workdir=/data/celeba64
One minute: ... --config=configs/celeba64.py:smoke

Source: the crop is that of Song et al. 2021 (DDIM, arXiv:2010.02502) and of score-based models
since; network and schedule are Ho et al.'s (arXiv:2006.11239), with five levels as in their
larger models. Expected from DDIM's paper: FID 3.26 by ancestral sampling of a DDPM with T =
1000 steps, 3.51 by DDIM in 1000. Not yet reached here: no figure of our own stands behind this
file.
"""

import ml_collections

from configs import cifar10, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = cifar10.get_config()
    c.data.update(
        name="tfds:celeb_a", batch_size=128, center_crop=140, image_size=64, flip=True
    )
    c.model.unet.update(
        feature_mults=(1, 2, 2, 2, 4),  # At 64, 32, 16, 8 and 4 pixels.
        attention_at=(16,),
    )
    c.training.num_steps = 500_000
    return smoke.shrunk(c) if variant == "smoke" else c
