"""ImageNet at 64x64 by variational diffusion (Kingma et al. 2021, arXiv:2107.00630).

One run:    python main.py --config=configs/imagenet64_vdm.py --workdir=/data/imagenet64_vdm
Older data: ... --config.data.name=tfds:downsampled_imagenet/64x64
One minute: ... --config=configs/imagenet64_vdm.py:smoke

Source: the authors' config; 237,603,845 parameters. Expected: 3.40 bits per dim on the older
data (see configs/imagenet32_vdm.py). Not yet reached here.
"""

import ml_collections

from configs import imagenet32_vdm, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = imagenet32_vdm.get_config()
    c.data.name = "tfds:imagenet_resized/64x64"
    c.model.vdm_unet.num_layers = 64
    return smoke.shrunk(c) if variant == "smoke" else c
