"""Mistakes in what is shown and reported of points: distances, nats, references, pictures."""

from tests.planted.mistake import Mistake

WASSERSTEIN = "ddpm_jax/metrics/wasserstein.py"
OF_WASSERSTEIN = ("tests/metrics/test_wasserstein.py",)
DENSITY = "ddpm_jax/evaluation/results/density.py"
OF_DENSITY = ("tests/evaluation/results/test_density.py",)
REPORT = "ddpm_jax/evaluation/results/report.py"
OF_REPORT = ("tests/evaluation/results/test_report.py",)
WORDING = "ddpm_jax/evaluation/results/wording.py"
OF_WORDING = ("tests/evaluation/results/test_wording.py",)
TABLE = "ddpm_jax/evaluation/results/table.py"
OF_TABLE = ("tests/evaluation/results/test_table.py",)
REFERENCE = "ddpm_jax/evaluation/reference.py"
OF_REFERENCE = ("tests/evaluation/test_reference.py", "-k", "points")
TRUTH = "ddpm_jax/data/truth.py"
OF_TRUTH = ("tests/data/test_truth.py",)
PLOTS = "ddpm_jax/pictures/points.py"
OF_PLOTS = ("tests/pictures/test_points.py",)
SAMPLES = "ddpm_jax/pictures/samples.py"
OF_SAMPLES = ("tests/pictures/test_samples.py",)

MISTAKES = (
    Mistake(
        "W1 on a line forgets how long a quantile lasts",
        WASSERSTEIN,
        "np.sum(quantiles.width * apart)",
        "np.mean(apart)",
        OF_WASSERSTEIN,
    ),
    Mistake(
        "W1 to a distribution function has steps one sample late",
        WASSERSTEIN,
        "height = np.arange(ordered.size + 1) / ordered.size",
        "height = np.arange(ordered.size + 1) / (ordered.size + 1)",
        OF_WASSERSTEIN,
    ),
    Mistake(
        "a distribution function ends with the samples",
        WASSERSTEIN,
        "ends = np.array([min(low, ordered[0]), max(high, ordered[-1])])",
        "ends = ordered[[0, -1]]",
        OF_WASSERSTEIN,
    ),
    Mistake(
        "slices of the plane go a quarter of the way around",
        WASSERSTEIN,
        "angle = np.pi * (np.arange",
        "angle = 0.5 * np.pi * (np.arange",
        OF_WASSERSTEIN,
    ),
    Mistake(
        "slices of space are along the axes of another length",
        WASSERSTEIN,
        "return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)",
        "return vectors / np.sqrt(num_features)",
        OF_WASSERSTEIN,
    ),
    Mistake(
        "samples are compared with all that a reference has seen",
        "ddpm_jax/evaluation/sample_metrics/transport.py",
        "wasserstein.distance(real.features, samples.features)",
        "wasserstein.distance(real.moments.mean[None], samples.features)",
        ("tests/evaluation/sample_metrics/test_transport.py",),
    ),
    Mistake(
        "values are scaled before they are compared",
        "ddpm_jax/evaluation/extractors/values.py",
        ".astype(jnp.float32)",
        ".astype(jnp.float32) / 2.0",
        ("tests/evaluation/extractors/test_values.py",),
    ),
    Mistake(
        "an extractor without classes may be asked for them",
        "ddpm_jax/evaluation/estimators.py",
        'if judged and EXTRACTORS[extractor].has("without_classes"):',
        'if not judged and EXTRACTORS[extractor].has("without_classes"):',
        ("tests/evaluation/test_estimators.py", "-k", "judge"),
    ),
    Mistake(
        "the excess is over the truth's entropy and not point by point",
        DENSITY,
        "_mean((nats + truth.log_density)[used], variance[used])",
        "_mean((nats - truth.entropy)[used], variance[used])",
        OF_DENSITY,
    ),
    Mistake(
        "the excess in bits is of a whole point",
        DENSITY,
        'else excess["nats"] / unit,',
        'else excess["nats"] / math.log(2.0),',
        OF_DENSITY,
    ),
    Mistake(
        "the error over draws is that of one point",
        DENSITY,
        "known(np.sqrt(np.sum(variance)) / num)",
        "known(np.sqrt(np.sum(variance) / num))",
        OF_DENSITY,
    ),
    Mistake(
        "nats have points that did not converge",
        REPORT,
        "density.made(nats, variance, used, num_dims, truth)",
        "density.made(nats, variance, finite, num_dims, truth)",
        OF_REPORT,
    ),
    Mistake(
        "images have nats in their metrics",
        REPORT,
        "    if is_density:\n        nats",
        "    if True:\n        nats",
        OF_REPORT,
    ),
    Mistake(
        "a point's density is asked where another one is",
        "ddpm_jax/evaluation/likelihood.py",
        'self.source[int(i)]["image"].ravel() for i in rows["index"]',
        'self.source[int(i) // 2]["image"].ravel() for i in rows["index"]',
        ("tests/evaluation/test_likelihood.py", "-k", "of_points"),
    ),
    Mistake(
        "the table has the excess of the first estimator for all",
        WORDING,
        'line("  over the truth", part["excess_over_the_truth"])',
        'line("  over the truth", first["excess_over_the_truth"])',
        OF_WORDING,
    ),
    Mistake(
        "the errors of nats stand under those of the excess",
        TABLE,
        'excess.get(name) for name in ("nats", "stderr", "stderr_points")',
        'excess.get(name) for name in ("nats", "stderr_points", "stderr")',
        OF_TABLE,
    ),
    Mistake(
        "points are compared with the training points",
        REFERENCE,
        "source = truth.or_itself(open_split(split))",
        "source = open_split(split)",
        OF_REFERENCE,
    ),
    Mistake(
        "of the truth no more is kept than of images",
        REFERENCE,
        "num_kept = len(source) if isinstance(source, truth.TruePoints) else MOST_KEPT",
        "num_kept = MOST_KEPT",
        OF_REFERENCE,
    ),
    Mistake(
        "the truth is told as the split that it was asked of",
        TRUTH,
        '            "split": "fresh points of the true density",\n',
        "",
        OF_TRUTH,
    ),
    Mistake(
        "a part of a source has no truth",
        TRUTH,
        "density = known_density(source)",
        'density = source if hasattr(source, "log_density") else None',
        OF_TRUTH,
    ),
    Mistake(
        "a histogram is a density of the samples that it shows",
        PLOTS,
        "density = _histogram(part, num, scene.low, scene.high)",
        "density = _histogram(part, len(part), scene.low, scene.high)",
        OF_PLOTS,
    ),
    Mistake(
        "the plane is seen in a mirror",
        PLOTS,
        "places = np.stack(np.meshgrid(*axes), axis=-1)",
        "places = np.stack(np.meshgrid(*axes), axis=-1)[..., ::-1]",
        OF_PLOTS,
    ),
    Mistake(
        "classes are taken one after the other",
        PLOTS,
        "classes = np.arange(len(points)) % period",
        "classes = np.arange(len(points)) * period // len(points)",
        OF_PLOTS,
    ),
    Mistake(
        "one far sample makes the rest a dot",
        PLOTS,
        "ranges = [_ends(part, FAR) for part in sets]",
        "ranges = [_ends(part, 0.0) for part in sets]",
        OF_PLOTS,
    ),
    Mistake(
        "a strip has latents above estimates",
        PLOTS,
        '"$\\\\hat{x}$": [frames_of_x[i] for i in numbers],',
        '"$\\\\hat{x}$": [frames_of_z[i] for i in numbers],',
        OF_PLOTS,
    ),
    Mistake(
        "points are drawn as images",
        SAMPLES,
        "ImageGrids(num_values) if num_values else PointPlots(truth)",
        "ImageGrids(num_values or 256)",
        OF_SAMPLES,
    ),
    Mistake(
        "points whose file is gone have no picture",
        "ddpm_jax/sampling/drawings.py",
        "except ConfigError:",
        "except ZeroDivisionError:",
        ("tests/sampling/test_drawings.py",),
    ),
    Mistake(
        "a corrector's move on a line goes by its own norms",
        "ddpm_jax/diffusion/samplers/predictor_corrector.py",
        "FEWEST = 4",
        "FEWEST = 1",
        ("tests/diffusion/samplers/test_predictor_corrector.py", "-k", "line"),
    ),
)
