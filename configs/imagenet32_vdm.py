"""ImageNet at 32x32 by variational diffusion (Kingma et al. 2021, arXiv:2107.00630).

One run:    python main.py --config=configs/imagenet32_vdm.py --workdir=/data/imagenet32_vdm
Older data: ... --config.data.name=tfds:downsampled_imagenet/32x32
One minute: ... --config=configs/imagenet32_vdm.py:smoke

Source: the authors' config; 122,137,605 parameters. Expected: 3.72 bits per dim on the older
data, which TFDS can no longer download (`downsampled_imagenet`: put its files where the first
start says). The newer, `imagenet_resized`, is another and easier set: the same method reaches
about 0.26 bits per dim less there, and the two must never stand in one column. Not yet reached
here.
"""

import ml_collections

from configs import cifar10_vdm, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = cifar10_vdm.get_config()
    c.data.update(
        name="tfds:imagenet_resized/32x32", eval_split="validation", batch_size=128
    )
    c.model.vdm_unet.update(base_features=256, num_layers=32, dropout=0.0, remat=True)
    return smoke.shrunk(c) if variant == "smoke" else c
