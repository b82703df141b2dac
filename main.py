"""Train, evaluate or sample a diffusion model: `ddpm_jax.commands.modes`, from a checkout.

python main.py --config=configs/digits.py --workdir=runs/digits
    [--mode=train|eval|sample|reference]
"""

import sys

from ddpm_jax.commands import modes

if __name__ == "__main__":
    sys.exit(modes.main())
