"""Mistakes in densities on a line, their operators, and what they say of the framework."""

from tests.planted.mistake import Mistake

LAB, DIFFUSION = "ddpm_jax/lab", "ddpm_jax/diffusion"
ROUGH = "tests/diffusion/test_rough_density.py"


def _planted(what: str, module: str, old: str, new: str) -> Mistake:
    return Mistake(
        what, f"{LAB}/{module}.py", old, new, (f"tests/lab/test_{module}.py",)
    )


MISTAKES = (
    _planted(
        "a density's entropy is that of its masses",
        "densities",
        "-held @ np.log(held / self.grid.spacing)",
        "-held @ np.log(held)",
    ),
    _planted(
        "a mixture's weights are those of its heights",
        "densities",
        "share / std * np.exp(",
        "share * np.exp(",
    ),
    _planted(
        "uniform pieces are as high as their weights",
        "densities",
        "np.asarray(weights, np.float64) / np.diff(edges)",
        "np.asarray(weights, np.float64)",
    ),
    _planted(
        "a rough density depends on the grid",
        "densities",
        "np.random.Philox(seed)",
        "np.random.Philox(seed + grid.num)",
    ),
    _planted(
        "samples lie at the grid's points",
        "densities",
        "drawn + self.grid.spacing * generator.uniform(-0.5, 0.5, num)",
        "drawn + self.grid.spacing * generator.uniform(0.0, 8.0, num)",
    ),
    _planted(
        "JS is in nats",
        "divergences",
        "return max(nats / math.log(2.0), 0.0)",
        "return max(nats, 0.0)",
    ),
    _planted(
        "total variation is the whole integral",
        "divergences",
        "0.5 * float(np.abs(p.masses - q.masses).sum())",
        "float(np.abs(p.masses - q.masses).sum())",
    ),
    _planted(
        "Wasserstein's distance has no unit of length",
        "divergences",
        "float(np.abs(difference).sum()) * p.grid.spacing",
        "float(np.abs(difference).sum())",
    ),
    _planted(
        "the forward step scales by alpha",
        "operators",
        "grid.points[:, None] - np.sqrt(alpha) * grid.points",
        "grid.points[:, None] - alpha * grid.points",
    ),
    _planted(
        "Fourier's noise has the wrong variance",
        "operators",
        "np.exp(-0.5 * (1.0 - alpha) * np.square(frequencies))",
        "np.exp(-0.5 * (1.0 - alpha**2) * np.square(frequencies))",
    ),
    _planted(
        "the reverse kernel is normalised over the wrong axis",
        "operators",
        "return joint - logsumexp(joint, axis=0)",
        "return joint - logsumexp(joint, axis=1)",
    ),
    _planted(
        "steps follow in the wrong order",
        "operators",
        "following.matrix @ self.matrix",
        "self.matrix @ following.matrix",
    ),
    _planted(
        "alpha is that of the whole chain up to a step",
        "chains",
        "np.exp(np.diff(log_alpha_bar, prepend=0.0))",
        "np.exp(log_alpha_bar)",
    ),
    _planted(
        "the reverse of a step begins with the density after it",
        "chains",
        "self.marginals[step], self.alphas[step]",
        "self.marginals[step + 1], self.alphas[step]",
    ),
    _planted(
        "the fixed point is q",
        "contraction",
        "return before.log_masses + log_after + 0.5 * np.square(before.grid.points)",
        "return before.log_masses + 0.0 * log_after",
    ),
    _planted(
        "the limit is q squared",
        "contraction",
        "2.0 * before.log_masses + 0.5 * np.square(before.grid.points)",
        "2.0 * before.log_masses",
    ),
    _planted(
        "Dobrushin's coefficient is twice itself",
        "contraction",
        "min(0.5 * float(furthest), 1.0)",
        "min(float(furthest), 1.0)",
    ),
    _planted(
        "fits have the variances squared",
        "gaussian_fits",
        "logs = -0.5 * np.square(away) / held",
        "logs = -0.5 * np.square(away / held)",
    ),
    _planted(
        "a chain of fits is of the exact kernels",
        "gaussian_fits",
        "return chain.restored(noise, fitted)",
        "return chain.restored(noise)",
    ),
    _planted(
        "a division leaves the line narrow",
        "deconvolution",
        "np.where(kept, divided, 0.0), np.sqrt(alpha))",
        "np.where(kept, divided, 0.0), 1.0)",
    ),
    _planted(
        "the exact denoiser forgets the masses",
        "exact",
        "logits = logits + jnp.asarray(np.log(masses), z_t.dtype)[None, None]",
        "logits = logits + 0.0 * jnp.asarray(np.log(masses), z_t.dtype)[None, None]",
    ),
    _planted(
        "the least error is the second moment's",
        "exact",
        "second[seen] - np.square(first[seen]) / zeroth[seen]",
        "second[seen] - np.square(first[seen])",
    ),
    _planted(
        "the best variance forgets alpha_s",
        "exact",
        "(alpha_s * removed) ** 2",
        "removed**2",
    ),
    _planted(
        "the bound's best variance counts an error once",
        "exact",
        "np.log1p(2.0 * mean_terms)",
        "np.log1p(mean_terms)",
    ),
    _planted(
        "noise in the plane goes along one axis",
        "planes",
        "masses = kernel @ self.masses @ kernel.T",
        "masses = kernel @ self.masses",
    ),
    Mistake(
        "a transition's KL counts half, on a rough density",
        f"{DIFFUSION}/process/gaussian.py",
        "weight = 0.5 * jnp.expm1(l_s - l_t)",
        "weight = 0.25 * jnp.expm1(l_s - l_t)",
        (ROUGH, "-k", "bounds"),
    ),
    Mistake(
        "the flow is half as fast, on a rough density",
        f"{DIFFUSION}/likelihood/probability_flow.py",
        "return -0.5 * gaussian.per_example(at.slope) * alpha * sigma * v",
        "return -0.4 * gaussian.per_example(at.slope) * alpha * sigma * v",
        (ROUGH, "-k", "flows_density"),
    ),
    Mistake(
        "the analytic variance forgets the posterior's, on a rough density",
        f"{DIFFUSION}/samplers/analytic_variance.py",
        "return posterior + jnp.log1p(ratio)",
        "return posterior + jnp.log1p(0.5 * ratio)",
        (ROUGH, "-k", "analytic"),
    ),
)
