"""Divergences of fields whose derivative is a known matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood.divergence import Exact, Hutchinson

SHAPE = (4, 3, 2)
SIZE = 24


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def matrix(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((SIZE, SIZE))


def field(a: np.ndarray):
    """z -> tanh(A z), whose derivative is diag(1 - tanh^2) A."""
    return lambda z: jnp.tanh(jnp.asarray(a) @ z.ravel()).reshape(z.shape)


def jacobian(a: np.ndarray, z: np.ndarray) -> np.ndarray:
    return (1.0 - np.tanh(a @ z.ravel()) ** 2)[:, None] * a


Z = 0.1 * np.random.default_rng(9).standard_normal(SHAPE)


@pytest.mark.parametrize("chunk", [1, 5, 24, 100])
def test_exact_divergence_is_the_trace(chunk):
    a = matrix()
    exact = Exact(chunk)
    value, div = exact.at(
        field(a), jnp.asarray(Z), exact.probes(jax.random.key(0), SHAPE, jnp.float64)
    )
    np.testing.assert_allclose(value.ravel(), np.tanh(a @ Z.ravel()), rtol=1e-12)
    np.testing.assert_allclose(div, np.trace(jacobian(a, Z)), rtol=1e-12)


def estimates(hutchinson: Hutchinson, a: np.ndarray, num: int) -> np.ndarray:
    def one(key):
        probes = hutchinson.probes(key, SHAPE, jnp.float64)
        return hutchinson.at(field(a), jnp.asarray(Z), probes)[1]

    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), num))
    return np.asarray(found)


@pytest.mark.parametrize("antithetic", [False, True])
@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_estimates_are_unbiased_and_vary_as_theory_has_it(kind, antithetic):
    a = matrix()
    found = estimates(Hutchinson(kind, 2, antithetic), a, 4000)
    j = jacobian(a, Z)
    stderr = found.std(ddof=1) / np.sqrt(found.size)
    assert abs(found.mean() - np.trace(j)) < 5 * stderr

    # Var(e.Je) = 2 |S|^2 for normal e and S the symmetric part; without S's diagonal for signs.
    s = 0.5 * (j + j.T)
    entries = 2 * s**2
    if kind == "rademacher":
        np.fill_diagonal(entries, 0.0)
    odd = np.sum(np.indices(SHAPE), axis=0).ravel() % 2
    across = odd[:, None] != odd[None]
    # A pair has the same terms twice, but for those that it cancels.
    expected = entries[~across].sum() if antithetic else entries.sum() / 2
    np.testing.assert_allclose(found.var(ddof=1), expected, rtol=0.12)


def test_a_pair_cancels_what_neighbours_add():
    """A field that mixes next neighbours alone has no error left."""
    place = np.indices(SHAPE).reshape(3, -1)
    distance = np.abs(place[:, :, None] - place[:, None]).sum(axis=0)
    a = np.where(distance <= 1, matrix(), 0.0)
    plain = estimates(Hutchinson(num_probes=2), a, 50)
    paired = estimates(Hutchinson(num_probes=2, antithetic=True), a, 50)
    assert plain.std() > 0.1
    np.testing.assert_allclose(paired, np.trace(jacobian(a, Z)), rtol=1e-12)


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_entries_have_unit_variance_and_do_not_hang_together(kind):
    probes = Hutchinson(kind, 4000, antithetic=True).probes(
        jax.random.key(2), SHAPE, jnp.float64
    )
    flat = np.asarray(probes).reshape(4000, -1)
    covariance = flat.T @ flat / 4000
    np.testing.assert_allclose(covariance, np.eye(SIZE), atol=5.5 * np.sqrt(2 / 2000))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_probes": 0}, "num_probes = 0"),
        ({"num_probes": 3, "antithetic": True}, "num_probes = 3"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        Hutchinson(**settings)
