"""`python -m ddpm_jax COMMAND`: the commands of `ddpm_jax.commands.table`."""

import sys

from ddpm_jax.commands import table

if __name__ == "__main__":
    sys.exit(table.main())
