"""Frechet distance (squared) of two Gaussians; for Inception features it is the FID.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^{1/2})

(Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500, eq. 6.) With any roots
C = R R^T the eigenvalues of C_a C_b are the squared singular values of R_a^T R_b, so

    tr (C_a C_b)^{1/2} = sum of the singular values of R_a^T R_b

which exists for singular covariances, of fewer examples than features, and takes no root of
a rounding error. The distance of samples is biased: it falls as they grow, so only those of
as many examples are comparable.
"""

import numpy as np
from jaxtyping import Float

from ddpm_jax.metrics.features import check_pair
from ddpm_jax.metrics.moments import Moments

# How far below 0, relative to the greatest, eigenvalues of a float32 covariance may lie.
ROUNDING = 1e-4


def distance(a: Moments, b: Moments) -> float:
    """The squared distance, 0 for equal moments; at 2048 features it takes seconds.

    Raises:
      ValueError: the numbers of features differ, moments are not finite, or a covariance has
        an eigenvalue below 0 by more than rounding.
    """
    check_pair(len(a.mean), len(b.mean))
    root_a, root_b = _root(a, "the first"), _root(b, "the second")
    overlap = np.linalg.svd(root_a.T @ root_b, compute_uv=False).sum()
    # Traces of R R^T, not of the covariances given: the overlap is of the same roots, from
    # which eigenvalues that rounding took below 0 are gone.
    traces = np.square(root_a).sum() + np.square(root_b).sum()
    # Only rounding takes the sum below 0: the overlap is at most half of the traces.
    return max(float(np.square(a.mean - b.mean).sum() + traces - 2.0 * overlap), 0.0)


def _root(moments: Moments, name: str) -> Float[np.ndarray, "features features"]:
    """A square root R of the covariance, R R^T."""
    if not (np.isfinite(moments.mean).all() and np.isfinite(moments.covariance).all()):
        raise ValueError(f"{name} moments are not finite: see their features.")
    values, vectors = np.linalg.eigh(moments.covariance.astype(np.float64))
    if values[0] < -ROUNDING * max(values[-1], 0.0):
        raise ValueError(
            f"{name} covariance has the eigenvalue {values[0]:.3g}, where a covariance's"
            " are 0 or more: see what was read."
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))
