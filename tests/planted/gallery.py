"""Mistakes in the gallery: its numbers, its files, its page and its command."""

from tests.planted.mistake import Mistake

GALLERY = "ddpm_jax/gallery"


def _planted(what: str, module: str, old: str, new: str) -> Mistake:
    folder, _, name = module.rpartition("/")
    test = "/".join(
        part for part in ("tests/gallery", folder, f"test_{name}.py") if part
    )
    return Mistake(what, f"{GALLERY}/{module}.py", old, new, (test,))


MISTAKES = (
    _planted(
        "an infinite number is written as no JSON",
        "encoding",
        "if math.isfinite(value) else None",
        "if True else None",
    ),
    _planted(
        "an SVG has the date in it",
        "encoding",
        'metadata={"Date": None, "Creator": None}',
        'metadata={"Creator": None}',
    ),
    _planted(
        "coordinates of an SVG keep all their decimals",
        "encoding",
        "return _PATH.sub(",
        "return re.compile(b'no such').sub(",
    ),
    _planted(
        "a heat map is upside down",
        "style",
        'origin="lower",',
        'origin="upper",',
    ),
    _planted(
        "a description with quotes ends its tag",
        "page",
        'alt="{escaping.escape(plate.alt)}"',
        'alt="{plate.alt}"',
    ),
    _planted(
        "a failure hides the older picture",
        "page",
        "    if plate is not None:\n        width",
        "    if plate is not None and failure is None:\n        width",
    ),
    Mistake(
        "the page links a picture that is not there",
        f"{GALLERY}/page.py",
        '<img src="{name}.png"',
        '<img src="{name}.jpg"',
        ("tests/gallery/test_page.py", "tests/gallery/test_browser.py"),
    ),
    Mistake(
        "a picture pushes the page beyond a phone's screen",
        f"{GALLERY}/page.py",
        "figure { margin: .6rem 0 .9rem; overflow-x: auto; }",
        "figure { margin: .6rem 0 .9rem; }",
        ("tests/gallery/test_browser.py",),
    ),
    _planted(
        "a figure that fails ends the others",
        "album",
        "                except Exception as error:",
        "                except KeyError as error:",
    ),
    _planted(
        "the page is of this start's figures alone",
        "album",
        "    for name in order:\n        file",
        "    for name in order[:1]:\n        file",
    ),
    _planted(
        "a stopped start leaves no page",
        "album",
        "    finally:\n",
        "    except ZeroDivisionError:\n",
    ),
    _planted(
        "a file of another program ends the gallery",
        "album",
        "except (ValueError, KeyError, TypeError):",
        "except (ValueError, TypeError):",
    ),
    _planted(
        "a wrong name of a figure is left out",
        "options",
        "        choose(FIGURES, name, field)\n",
        "        pass\n",
    ),
    _planted(
        "options out of range pass",
        "options",
        "    check.choices(config, Gallery)\n",
        "",
    ),
    _planted(
        "an override is not looked up",
        "command",
        "    check.overrides(argv, Gallery)\n",
        "",
    ),
    _planted(
        "--figures is of no effect",
        "command",
        "        config.figures = parsed.figures\n",
        "        pass\n",
    ),
    _planted(
        "a column of a file is the first one",
        "densities",
        "rows[:, options.column]",
        "rows[:, 0]",
    ),
    _planted(
        "the coarse density begins a point later",
        "figure",
        "self.density.values[::2]",
        "np.roll(self.density.values, -1)[::2]",
    ),
    _planted(
        "an error is half as large as asked for",
        "perturbation",
        "below = divergences.js(at(middle), density) < error",
        "below = divergences.js(at(middle), density) < 0.5 * error",
    ),
    _planted(
        "a density at a noise level is that of the noise",
        "noising",
        "alpha = 1.0 / (1.0 + math.exp(-log_snr))",
        "alpha = 1.0 / (1.0 + math.exp(log_snr))",
    ),
    _planted(
        "the learned schedule has the loss of a unit of SNR",
        "figures/melting",
        "0.5 * math.exp(value) * exact.mmse(density, value)",
        "0.5 * exact.mmse(density, value)",
    ),
    _planted(
        "the window is around z_t itself",
        "figures/reverse",
        "away = (x - point / math.sqrt(alpha)) / std",
        "away = (x - point) / std",
    ),
    _planted(
        "small steps are taken in the forward order",
        "figures/noise_immunity",
        "    for step in reversed(range(options.num_small)):\n        given",
        "    for step in range(options.num_small):\n        given",
    ),
    _planted(
        "the rate is that of the first steps",
        "figures/contraction",
        "rate = (held[-1] / held[first]) ** (1.0 / (len(held) - 1 - first))",
        "rate = held[1] / held[0]",
    ),
    _planted(
        "the distance of the fixed point to q is that of q to itself",
        "figures/fixed_point",
        '        "to_q": divergences.js(law, before),',
        '        "to_q": divergences.js(before, before),',
    ),
    _planted(
        "the loss in bits is in nats",
        "figures/gaussian_fit",
        "divergences.kl(true, restored) / math.log(2.0)",
        "divergences.js(true, true)",
    ),
    _planted(
        "the reverse kernel is given what has no noise",
        "figures/deconvolution",
        "kept = reverse.matrix @ masses",
        "kept = reverse.matrix @ (2.0 * masses)",
    ),
    _planted(
        "the strided sampler has as many times as the others",
        "figures/trajectories",
        '"DDIM, strided": (ddim.make(), options.num_strided),',
        '"DDIM, strided": (ddim.make(), options.num_steps),',
    ),
    _planted(
        "beta is that of the step before",
        "figures/mean_variance",
        "forward = noise[steps] * removed[steps - 1]",
        "forward = noise[steps - 1] * removed[steps - 1]",
    ),
    _planted(
        "the waste is that of the last transitions",
        "figures/bound_gap",
        "float(waste[: options.first].sum())",
        "float(waste[-options.first :].sum())",
    ),
    _planted(
        "numbers beyond the bins are not counted",
        "figures/two_peaks",
        "return counts / (numbers.size * np.diff(edges))",
        "return counts / (counts.sum() * np.diff(edges))",
    ),
    _planted(
        "a signal in the training is taken for its end",
        "two_peaks_run",
        "        raise KeyboardInterrupt\n",
        "        pass\n",
    ),
)
