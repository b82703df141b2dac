"""The estimate of a likelihood, in the form that all estimators return."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@runtime_checkable
class Terms(Protocol):
    """A named tuple of [batch] arrays in nats, the terms of an estimate."""

    @property
    def total(self) -> Array:
        """The sum of the terms."""

    def _asdict(self) -> dict[str, Array]: ...


class Profile(NamedTuple):
    """The draws of the diffusion term along time, [draws, batch], in nats.

    Attributes:
      t: time of each draw.
      log_snr: log SNR there; in a chain, in the middle of the transition.
      per_log_snr: the draw per unit of log SNR.
      per_time: the draw per unit of t.
    """

    t: Float[Array, "draws batch"]
    log_snr: Float[Array, "draws batch"]
    per_log_snr: Float[Array, "draws batch"]
    per_time: Float[Array, "draws batch"]


class Estimate(NamedTuple):
    """An estimate of -log p of each example, with its variance over draws of noise.

    The standard error of a mean over n examples is sqrt(sum(total_variance)) / n over
    draws, and std(terms.total) / sqrt(n) over draws and examples together.

    Attributes:
      terms: mean over draws, in nats.
      draw_variance: unbiased estimate of the variance of each of `terms` over draws, in
        nats squared; nan where it is not known.
      total_variance: unbiased estimate of the variance of the total over draws.
      halves: two independent estimates whose mean is the total, from which the errors of
        differences between models are estimated; nan where there are not two.
      num_evaluations: evaluations of the network.
      converged: False where a solver failed and the numbers mean nothing.
      profile: draws of the diffusion term along time, if the estimate has them.
    """

    terms: Terms
    draw_variance: Terms
    total_variance: Float[Array, " batch"]
    halves: Float[Array, "2 batch"]
    num_evaluations: Float[Array, " batch"]
    converged: Bool[Array, " batch"]
    profile: Profile | None


def mean_and_variance(
    draws: Float[Array, "draws ..."],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Mean over the first axis, and the unbiased estimate of that mean's variance."""
    mean = jnp.mean(draws, axis=0)
    if draws.shape[0] == 1:
        return mean, jnp.full_like(mean, jnp.nan)
    return mean, jnp.var(draws, axis=0, ddof=1) / draws.shape[0]


def halves_of(draws: Float[Array, "draws batch"]) -> Float[Array, "2 batch"]:
    """The means of the first and the second half of the draws; nan if their number is odd."""
    half, is_odd = divmod(draws.shape[0], 2)
    if is_odd:
        return jnp.full((2, draws.shape[1]), jnp.nan)
    return jnp.stack([jnp.mean(draws[:half], axis=0), jnp.mean(draws[half:], axis=0)])
