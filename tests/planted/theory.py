"""Mistakes in schedules, bounds, samplers, networks and metrics."""

from tests.planted.mistake import Mistake

PROCESS, SAMPLERS = "ddpm_jax/diffusion/process", "ddpm_jax/diffusion/samplers"
LIKELIHOOD, NETS = "ddpm_jax/diffusion/likelihood", "ddpm_jax/nets"


def _of(path: str, *more: str) -> tuple[str, ...]:
    """The test file of a module, and what else."""
    folder, _, name = path.replace("ddpm_jax/", "tests/").rpartition("/")
    return (f"{folder}/test_{name}", *more)


def _planted(what: str, file: str, old: str, new: str, *more: str) -> Mistake:
    return Mistake(what, file, old, new, _of(file, *more))


MISTAKES = (
    _planted(
        "c is 1 + SNR(t)/SNR(s)",
        f"{PROCESS}/gaussian.py",
        "return -jnp.expm1(",
        "return 2.0 + jnp.expm1(",
    ),
    _planted(
        "x_hat with its eps_hat left where it was",
        f"{PROCESS}/predictions.py",
        "eps=prediction.eps + ratio * (prediction.x - x))",
        "eps=prediction.eps)",
        *("-k", "estimate"),
    ),
    _planted(
        "Heun's slopes are not averaged",
        f"{SAMPLERS}/edm.py",
        "corrected = state.euler_end + 0.5 * length * (eps - state.eps)",
        "corrected = state.euler_end + length * (eps - state.eps)",
        *("-k", "paper"),
    ),
    _planted(
        "churn goes up by gamma, not by 1 + gamma",
        f"{SAMPLERS}/edm.py",
        "start_log_snr - 2.0 * math.log1p(gamma)",
        "start_log_snr - math.log1p(gamma)",
        *("-k", "paper"),
    ),
    _planted(
        "DDIM's noise is the chain's",
        f"{SAMPLERS}/ddim.py",
        "std = eta * sigma_s * jnp.sqrt(",
        "std = sigma_s * jnp.sqrt(",
        *("-k", "recursion"),
    ),
    _planted(
        "Langevin's step is by the noise's norm to the fourth",
        f"{SAMPLERS}/predictor_corrector.py",
        "snr * jnp.sqrt(noise_norm_sq / eps_norm_sq)",
        "snr * (noise_norm_sq / eps_norm_sq)",
        *("-k", "paper"),
    ),
    _planted(
        "the error of the analytic variance is of the other time",
        f"{SAMPLERS}/analytic_variance.py",
        "mean_error = jnp.interp(log_snr_t, points, errors)",
        "mean_error = jnp.interp(log_snr_s, points, errors)",
    ),
    _planted(
        "each step of the loop draws the first one's noise",
        f"{SAMPLERS}/loop.py",
        "_noise(fold_in(keys, number + 1), sampler.num_draws, z)",
        "_noise(fold_in(keys, 1), sampler.num_draws, z)",
        *("-k", "own_noise"),
    ),
    _planted(
        "RePaint goes up without its noise",
        f"{SAMPLERS}/repaint.py",
        "return alpha_u / alpha_s * z_s + std * noise",
        "return alpha_u / alpha_s * z_s",
        *("-k", "recursion"),
    ),
    _planted(
        "bits are nats",
        f"{LIKELIHOOD}/terms.py",
        "return nats / (num_dims * math.log(2.0))",
        "return nats / num_dims",
    )._replace(tests=("tests/diffusion/likelihood/test_terms.py", "-k", "bits")),
    _planted(
        "antithetic probes are the same probe twice",
        f"{LIKELIHOOD}/divergence.py",
        "jnp.asarray(1 - 2 * odd, dtype)[None]",
        "jnp.asarray(1 - 0 * odd, dtype)[None]",
        *("-k", "pair"),
    ),
    _planted(
        "truncated SNR is cut at the other side",
        "ddpm_jax/diffusion/objectives/weightings.py",
        "jax.nn.sigmoid(jnp.abs(log_snr))",
        "jax.nn.sigmoid(-jnp.abs(log_snr))",
    ),
    _planted(
        "EDM's weight has the mean of sigma, not of log SNR",
        "ddpm_jax/diffusion/objectives/weightings.py",
        "mean, std = -2.0 * options.log_sigma_mean, 2.0 * options.log_sigma_std",
        "mean, std = 2.0 * options.log_sigma_mean, 2.0 * options.log_sigma_std",
    ),
    _planted(
        "the history of losses forgets how large they were",
        "ddpm_jax/diffusion/objectives/loss_history.py",
        "rms = jnp.sqrt(jnp.mean(jnp.square(history.losses), axis=1))",
        "rms = jnp.mean(history.losses, axis=1)",
    ),
    _planted(
        "importance weights are not divided by the number of times",
        "ddpm_jax/diffusion/objectives/loss_history.py",
        "return index, 1.0 / (num_steps * p[index])",
        "return index, 1.0 / p[index]",
    ),
    _planted(
        "guidance acts outside of its interval",
        "ddpm_jax/diffusion/conditioning/guidance.py",
        "return (lowest <= log_snr) & (log_snr <= highest)",
        "return (lowest > log_snr) | (log_snr > highest)",
        *("-k", "interval"),
    ),
    _planted(
        "a classifier's step on x_hat is that on eps_hat",
        "ddpm_jax/diffusion/conditioning/guidance.py",
        "x=prediction.x + sigma * (sigma / alpha) * step",
        "x=prediction.x + sigma * step",
        *("-k", "exact_classifier or weighted"),
    ),
    _planted(
        "queries and keys are exchanged with values",
        f"{NETS}/attention.py",
        "jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2])",
        "jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 2], qkv[:, :, 1])",
        *("-k", "numpy"),
    ),
    _planted(
        "scale and shift are exchanged",
        f"{NETS}/blocks.py",
        "scale, shift = jnp.split(emb, 2, axis=-1)",
        "shift, scale = jnp.split(emb, 2, axis=-1)",
        *("-k", "scale_shift"),
    ),
    _planted(
        "the branches of an Inception block are joined in another order",
        f"{NETS}/inception/blocks.py",
        "return joined(single, wide, double, pooled)",
        "return joined(wide, single, double, pooled)",
    )._replace(tests=("tests/nets/inception/test_network.py", "-k", "pytorch")),
    _planted(
        "a merged covariance leaves out what lies between the means",
        "ddpm_jax/metrics/moments.py",
        "np.outer(delta, delta) * (a.num * b.num / num)",
        "0.0 * np.outer(delta, delta) * (a.num * b.num / num)",
    ),
    _planted(
        "the overlap of two Gaussians counts once",
        "ddpm_jax/metrics/frechet.py",
        "traces - 2.0 * overlap",
        "traces - overlap",
    ),
    _planted(
        "the kernel distance counts an example with itself",
        "ddpm_jax/metrics/kernel.py",
        "float(_sum_of_kernels(a, a) - diagonal)",
        "float(_sum_of_kernels(a, a) - 0.0 * diagonal)",
    ),
    _planted(
        "the kernel distance's error is of one subset",
        "ddpm_jax/metrics/kernel.py",
        "np.std(values, ddof=1) / np.sqrt(num_subsets)",
        "np.std(values, ddof=1)",
    ),
    _planted(
        "precision and recall are exchanged",
        "ddpm_jax/metrics/neighbours.py",
        "PrecisionRecall(float(precise.mean()), float(recalled.mean()))",
        "PrecisionRecall(float(recalled.mean()), float(precise.mean()))",
    ),
    _planted(
        "an example is its own neighbour",
        "ddpm_jax/metrics/neighbours.py",
        "if start == other_start:",
        "if start < 0:",
    ),
)
