"""Train, evaluate or sample a diffusion model: `ddpm_jax.commands.modes`, from a checkout.

python main.py --config=configs/digits.py --workdir=runs/digits
    [--mode=train|eval|sample|reference]
"""

import sys

from ddpm_jax.core import ending


def main() -> int:
    """Runs the mode that the flags name; imported here, so that a signal finds it ready."""
    from ddpm_jax.commands import modes

    return modes.main()


if __name__ == "__main__":
    sys.exit(ending.status_of(main))
