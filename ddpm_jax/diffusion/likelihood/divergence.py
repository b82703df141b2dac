"""The divergence of a vector field: exactly, or estimated by probes.

For any probe e, e . J e is one evaluation of the field with a forward-mode derivative beside
it. Summed over the basis vectors it is the trace of J; for random e with mean zero and
covariance I its expectation is (Hutchinson 1990).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from ddpm_jax.core.choice import Options, option

Image = Float[Array, "height width channels"]
Probes = Float[Array, "probes height width channels"]
# The field at a point, and its divergence there.
FieldAndDivergence = tuple[Image, Float[Array, ""]]

# What the entries of a probe are, from (key, shape, dtype): of mean 0 and variance 1.
PROBES: Mapping[str, Callable[..., Array]] = {
    "rademacher": jax.random.rademacher,
    "gaussian": jax.random.normal,
}


@runtime_checkable
class Divergence(Protocol):
    """A method for divergences. Its random probes are drawn once, before a solve."""

    @property
    def is_exact(self) -> bool:
        """Whether the divergence is exact, rather than estimated."""

    def probes(
        self, key: Key[Array, ""], shape: tuple[int, int, int], dtype: DTypeLike
    ) -> Probes:
        """The probes that `at` takes, for one example; an exact method has none."""

    def at(
        self, field: Callable[[Array], Array], z: Image, probes: Probes
    ) -> FieldAndDivergence:
        """The field at z and its divergence there."""


@dataclasses.dataclass(frozen=True)
class Exact:
    """The exact divergence: the trace of J, with a product for each basis vector.

    Attributes:
      chunk: number of products computed at once; memory grows with it.
    """

    chunk: int = 8
    is_exact = True

    def probes(
        self, key: Key[Array, ""], shape: tuple[int, int, int], dtype: DTypeLike
    ) -> Probes:
        return jnp.zeros((0, *shape), dtype)

    def at(
        self, field: Callable[[Array], Array], z: Image, probes: Probes
    ) -> FieldAndDivergence:
        value, product = jax.linearize(field, z)

        def diagonal(number: Array) -> Array:
            basis = (jnp.arange(z.size) == number).astype(z.dtype)
            return product(basis.reshape(z.shape)).ravel()[number]

        numbers = jnp.arange(z.size)
        return value, jnp.sum(lax.map(diagonal, numbers, batch_size=self.chunk))


@dataclasses.dataclass(frozen=True)
class Hutchinson:
    """Hutchinson's estimate: the mean of e . J e over random probes e, unbiased for the trace.

    The probes stay the same through a solve: a solver cannot control its error on a field that
    changes between evaluations.

    Attributes:
      kind: distribution of the entries: signs, of least variance, or standard normal.
      num_probes: number of probes; the variance is inverse to it, the cost proportional.
      antithetic: probes come in pairs e and s e, where s changes sign from each pixel and
        channel to the next. The contributions e_i J_ij e_j of entries an odd number of steps
        apart cancel within the pair, and those of neighbours are the large ones. (e and -e
        would give the same estimate twice: it is even in e.) Contributions of entries an
        even number of steps apart are doubled; with normal entries that of the diagonal
        too, so that signs are the better choice.
    """

    kind: str = "rademacher"
    num_probes: int = 1
    antithetic: bool = False
    is_exact = False

    def __post_init__(self) -> None:
        if self.num_probes < 1:
            raise ValueError(f"num_probes = {self.num_probes}: write 1 or more.")
        if self.antithetic and self.num_probes % 2:
            raise ValueError(
                f"num_probes = {self.num_probes}: antithetic ones come in pairs, write an"
                " even number."
            )

    def probes(
        self, key: Key[Array, ""], shape: tuple[int, int, int], dtype: DTypeLike
    ) -> Probes:
        draw = PROBES[self.kind]
        if not self.antithetic:
            return draw(key, (self.num_probes, *shape), dtype)
        first = draw(key, (self.num_probes // 2, *shape), dtype)
        odd = np.sum(np.indices(shape), axis=0) % 2
        return jnp.concatenate([first, first * jnp.asarray(1 - 2 * odd, dtype)[None]])

    def at(
        self, field: Callable[[Array], Array], z: Image, probes: Probes
    ) -> FieldAndDivergence:
        value, product = jax.linearize(field, z)

        def estimate(probe: Array) -> Array:
            return jnp.sum(probe * product(probe))

        # One after the other: memory is that of one probe.
        return value, jnp.mean(lax.map(estimate, probes))


# Name -> what finds it, of the options. A dict, so that plugins can add to it.
DIVERGENCES: "dict[str, Callable[[DivergenceOptions], Divergence]]" = {
    "exact": lambda options: Exact(options.chunk),
    "hutchinson": lambda options: Hutchinson(
        options.probe, options.num_probes, options.antithetic
    ),
}


@dataclasses.dataclass(frozen=True)
class DivergenceOptions(Options):
    """How a divergence is found, as a config says it."""

    divergence: str = option("hutchinson", "How it is found.", one_of=DIVERGENCES)
    probe: str = option("rademacher", "Of Hutchinson's estimate.", one_of=PROBES)
    num_probes: int = option(1, "Of Hutchinson's estimate.", at_least=1)
    antithetic: bool = option(
        False, "Probes come in pairs whose neighbouring entries cancel."
    )
    chunk: int = option(8, "Basis vectors at once, if it is exact.", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.found_by  # noqa: B018, checks what belongs together.

    @property
    def found_by(self) -> Divergence:
        """What finds it."""
        return DIVERGENCES[self.divergence](self)
