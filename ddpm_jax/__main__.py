"""`python -m ddpm_jax COMMAND`: the commands of `ddpm_jax.commands.table`."""

import sys

from ddpm_jax.core import ending


def main() -> int:
    """Runs the command that the arguments name; imported once a signal finds it ready."""
    from ddpm_jax.commands import table

    return table.main()


if __name__ == "__main__":
    sys.exit(ending.status_of(main))
