"""Mistakes in what is reported: figures, their errors, their rows."""

from tests.planted.mistake import Mistake

REPORT = "ddpm_jax/evaluation/results/report.py"
OF_REPORT = ("tests/evaluation/results/test_report.py",)
PAIRS = "ddpm_jax/evaluation/results/pairs.py"
OF_PAIRS = ("tests/evaluation/results/test_pairs.py",)
ACCURACY = "ddpm_jax/evaluation/accuracy.py"
OF_ACCURACY = ("tests/evaluation/test_accuracy.py",)

MISTAKES = (
    Mistake(
        "the standard error over images is by n, not n - 1",
        REPORT,
        "values.std(ddof=1) / math.sqrt(num)",
        "values.std() / math.sqrt(num)",
        OF_REPORT,
    ),
    Mistake(
        "the standard error over draws is not of the mean",
        REPORT,
        "known(np.sqrt(np.sum(variance)) / num)",
        "known(np.sqrt(np.mean(variance)) / num)",
        OF_REPORT,
    ),
    Mistake(
        "variances are in bits, not in squared bits",
        REPORT,
        'rows[f"variance.{term}"][used] / unit**2',
        'rows[f"variance.{term}"][used] / unit',
        OF_REPORT,
    ),
    Mistake(
        "the errors of the report change places",
        REPORT,
        '"bits_per_dim_stderr": total["stderr"],',
        '"bits_per_dim_stderr": total["stderr_images"],',
        OF_REPORT,
    ),
    Mistake(
        "paired differences are taken from the wrong rows",
        PAIRS,
        "nats = a.nats[at_a] - b.nats[at_b]",
        "nats = a.nats[: num] - b.nats[: num]",
        OF_PAIRS,
    ),
    Mistake(
        "halves of the difference are of the wrong rows",
        PAIRS,
        "a.halves[:, at_a] - b.halves[:, at_b]",
        "a.halves[:, at_a] - b.halves[:, at_a]",
        OF_PAIRS,
    ),
    Mistake(
        "a difference's error over images is by n",
        PAIRS,
        "nats.std(ddof=1)",
        "nats.std()",
        OF_PAIRS,
    ),
    Mistake(
        "errors of differences are not squared before they are added",
        PAIRS,
        "over_draws = math.hypot(ours.stderr, theirs.stderr)",
        "over_draws = ours.stderr + theirs.stderr",
        OF_PAIRS,
    ),
    Mistake(
        "two pairs of a stratum share a shift",
        "ddpm_jax/diffusion/likelihood/elbo.py",
        "jax.random.fold_in(spread.key, pair)",
        "jax.random.fold_in(spread.key, pair // 2)",
        ("tests/diffusion/likelihood/test_elbo.py", "-k", "pairs"),
    ),
    Mistake(
        "two pairs of a stratum share a coordinate of the square",
        "ddpm_jax/diffusion/likelihood/elbo.py",
        "low_discrepancy(spread.number)[pair % 2]",
        "low_discrepancy(spread.number)[0]",
        ("tests/diffusion/likelihood/test_elbo.py", "-k", "pairs"),
    ),
    Mistake(
        "the variance of pairs is by n",
        "ddpm_jax/diffusion/likelihood/strata.py",
        "np.var(pairs, axis=0, ddof=1)",
        "np.var(pairs, axis=0)",
        ("tests/diffusion/likelihood/test_strata.py",),
    ),
    Mistake(
        "the variance of a mean is that of one draw",
        "ddpm_jax/diffusion/likelihood/estimate.py",
        "jnp.var(draws, axis=0, ddof=1) / draws.shape[0]",
        "jnp.var(draws, axis=0, ddof=1)",
        ("tests/diffusion/likelihood/test_estimate.py",),
    ),
    Mistake(
        "the variance of a mean is by n",
        "ddpm_jax/diffusion/likelihood/estimate.py",
        "jnp.var(draws, axis=0, ddof=1) / draws.shape[0]",
        "jnp.var(draws, axis=0) / draws.shape[0]",
        ("tests/diffusion/likelihood/test_estimate.py",),
    ),
    Mistake(
        "both halves are the first",
        "ddpm_jax/diffusion/likelihood/estimate.py",
        "jnp.mean(draws[half:], axis=0)",
        "jnp.mean(draws[:half], axis=0)",
        ("tests/diffusion/likelihood/test_estimate.py",),
    ),
    Mistake(
        "the pilot pass is measured with the evaluation's own noise",
        "ddpm_jax/evaluation/likelihood.py",
        "pilot_root = stream_key(config.seed, Stream.PILOT)",
        "pilot_root = root",
        ("tests/evaluation/test_likelihood.py",),
    ),
    Mistake(
        "estimators of the bound share their noise",
        "ddpm_jax/evaluation/likelihoods/variational.py",
        "        stream=Stream.EVAL_FULL,\n",
        "        stream=Stream.EVAL,\n",
        ("tests/evaluation/likelihoods/test_variational.py",),
    ),
    Mistake(
        "the times of all images move by the noise's key",
        "ddpm_jax/evaluation/likelihoods/variational.py",
        "key = stream_key(setting.seed, Stream.EVAL_TIMES)",
        "key = stream_key(setting.seed, Stream.EVAL)",
        ("tests/evaluation/likelihoods/test_variational.py",),
    ),
    Mistake(
        "the accuracy of every level is with the same noise",
        ACCURACY,
        "gaussian.fold_in(keys, level)",
        "gaussian.fold_in(keys, 0)",
        OF_ACCURACY,
    ),
    Mistake(
        "the accuracy's standard error is by n",
        ACCURACY,
        "np.std(values, axis=0, ddof=1)",
        "np.std(values, axis=0)",
        OF_ACCURACY,
    ),
    Mistake(
        "the accuracy's images that fill up a batch count",
        ACCURACY,
        "rows.append(found[kept])",
        "rows.append(found)",
        OF_ACCURACY,
    ),
    Mistake(
        "each repetition draws the first one's samples",
        "ddpm_jax/evaluation/repeated_samples.py",
        "first, seconds = self._first + number * self._num, 0.0",
        "first, seconds = self._first, 0.0",
        ("tests/evaluation/test_repeated_samples.py",),
    ),
    Mistake(
        "samples of no class count among those of a wrong one",
        "ddpm_jax/evaluation/repeated_samples.py",
        "has_class = self.labels >= 0",
        "has_class = self.labels >= -1",
        ("tests/evaluation/test_repeated_samples.py",),
    ),
    Mistake(
        "images beyond the bins of log SNR are put in the first",
        "ddpm_jax/evaluation/results/rows.py",
        "np.clip(np.searchsorted(edges, log_snr) - 1, 0, NUM_BINS - 1)",
        "np.clip(np.searchsorted(edges, log_snr), 0, NUM_BINS - 1)",
        ("tests/evaluation/results/test_rows.py",),
    ),
    Mistake(
        "the curve's standard deviation is by n",
        "ddpm_jax/evaluation/results/rows.py",
        "* num / (num - 1))",
        ")",
        ("tests/evaluation/results/test_rows.py",),
    ),
)
