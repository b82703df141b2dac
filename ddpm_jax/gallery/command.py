"""Draw what diffusion does to a density: figures, their numbers, and a page of all.

    python -m ddpm_jax lab --out=DIR [--figures=NAME,...] [--config.FIELD=VALUE ...]
    python -m ddpm_jax lab --out=DIR --config.density=mixture --config.melting.alphas=0.5,0.8
    python -m ddpm_jax lab --out=DIR --config.density=samples --config.samples.file=my.npy

DIR gets NAME.png, NAME.svg and NAME.json of each figure, and index.html, which shows all that
are there. A figure that cannot be made costs no other. Exit status: 0 done, 1 a figure could
not be made, 2 a wrong argument, 143 or 130 stopped by a signal.

figures:
"""

import sys
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict as Config
from ml_collections import config_flags

from ddpm_jax.config import check
from ddpm_jax.core import arguments, choice, folders, paths, terminal
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.gallery import album, options
from ddpm_jax.gallery.options import Gallery
from ddpm_jax.gallery.table import FIGURES


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    return arguments.run(_main, argv)


def _main(argv: list[str]) -> int:
    parser = arguments.Parser("lab", f"{__doc__}{_listed()}")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the folder to fill"
    )
    parser.add_argument("--figures", metavar="NAME,...", help="by default all")
    parsed, rest = parser.parse_known_args(argv)
    config = overridden(rest)
    field = "figures"
    if parsed.figures is not None:
        config.figures = parsed.figures
        field = "--figures"
    names = options.checked(config, field)
    folder = paths.expanded(parsed.out, f"--out={parsed.out}")
    figures = {name: options.figure(config, name) for name in names}
    setting = options.setting(config, folder)
    folders.make_folder(folder, "--out")
    terminal.begin_log()
    made_with = {name: options.settings(config, name) for name in names}
    try:
        failures = album.make(folder, figures, setting, list(FIGURES), made_with)
    except KeyboardInterrupt as stop:
        raise type(stop)(
            f"{folder / album.PAGE} shows the figures that were done; the same command"
            " makes all of them again, but goes on with the run of two_peaks"
        ) from stop
    num_made = len(figures) - len(failures)
    print(f"{num_made} of {len(figures)} figures made: {folder / album.PAGE}")
    if failures:
        print(f"could not be made: {', '.join(failures)}", file=sys.stderr)
    return 1 if failures else 0


def overridden(argv: Sequence[str]) -> Config:
    """The gallery's config with the overrides --config.FIELD=VALUE of a command line.

    Raises:
      ConfigError: an argument is no override of a field, or its value cannot be read.
    """
    check.overrides(argv, Gallery)
    values = flags.FlagValues()
    program_and = ["lab", *argv]
    config_flags.DEFINE_config_dict(
        "config", options.default(), flag_values=values, sys_argv=program_and
    )
    try:
        _, *rest = values(program_and)
    except flags.Error as error:
        raise ConfigError(str(error)) from error
    if rest:
        raise ConfigError(f"{rest[0]!r} is not a flag: write --name=value.")
    config: Config = values.config
    return config


def _listed() -> str:
    """A line for each figure, and one for each field of the config."""
    width = max(map(len, FIGURES))
    lines = [f"  {n:{width}}  {c.default().title}" for n, c in FIGURES.items()]
    lines += ["", "fields of the config:"]
    for name, leaf in choice.leaves(Gallery):
        lines.append(f"  --config.{name}={leaf.default}  {leaf.meaning}")
    return "\n".join(lines)
