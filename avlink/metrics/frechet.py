"""Fréchet distance between two sets of feature vectors, modelled as Gaussians, in float64.

    d² = |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½)          (Dowson and Landau 1982; FID: Heusel et al. 2017)

The trace of the root is the sum of the square roots of the eigenvalues of S1^½ S2 S1^½, which is symmetric and positive
semi-definite. So no root turns complex, and covariances without full rank need nothing added to their diagonal; the
code of FID adds 1e-6 for scipy's `sqrtm`.

The estimate is biased: the fewer the samples, the larger the distance, also between two halves of one set. Compare only
values of equal counts, and trust none whose count is not well above the dimension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Mean and covariance of vectors that are added a few at a time, in memory of dim² numbers."""

    def __init__(self) -> None:
        self.count = 0
        self._origin: NDArray[np.float64] | None = None
        self._sum: NDArray[np.float64] = np.zeros(0)
        self._products: NDArray[np.float64] = np.zeros((0, 0))

    @property
    def dim(self) -> int:
        """Width of the vectors; 0 before the first."""
        return len(self._sum)

    def add(self, rows: NDArray[np.floating]) -> None:
        """Add vectors (rows, dim). Raises ValueError for another width, or values that are not finite."""
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2:
            raise ValueError(f"feature vectors are (rows, dim), not of shape {rows.shape}")
        if not len(rows):
            return
        if not np.isfinite(rows).all():
            raise ValueError("feature vectors must be finite")
        if self._origin is None:
            # Sums of squares around a point near the mean do not cancel.
            self._origin = rows.mean(axis=0)
            self._sum, self._products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
        if rows.shape[1] != self.dim:
            raise ValueError(f"feature vectors of {rows.shape[1]} numbers do not go with others of {self.dim}")
        moved = rows - self._origin
        self.count += len(rows)
        self._sum += moved.sum(axis=0)
        self._products += moved.T @ moved

    @property
    def mean(self) -> NDArray[np.float64]:
        """(dim,). Raises ValueError without any vector."""
        if self._origin is None:
            raise ValueError("there are no feature vectors, so they have no mean")
        return self._origin + self._sum / self.count

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(dim, dim), divided by count - 1. Raises ValueError for fewer than two vectors."""
        if self.count < 2:
            raise ValueError(f"a covariance needs two feature vectors at least, not {self.count}")
        # The sums are about `_origin`: the difference to the mean is taken out here. It is small, so that little
        # cancels.
        return np.asarray((self._products - np.outer(self._sum, self._sum) / self.count) / (self.count - 1))


def frechet_distance(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    other_mean: NDArray[np.float64],
    other_covariance: NDArray[np.float64],
) -> float:
    """d² between two Gaussians, at least 0. Covariances may lack rank. Raises ValueError if widths differ."""
    shapes = (mean.shape, covariance.shape, other_mean.shape, other_covariance.shape)
    if mean.ndim != 1 or shapes[2] != shapes[0] or any(shape != shapes[0] * 2 for shape in (shapes[1], shapes[3])):
        raise ValueError(f"means and covariances of two Gaussians do not go together: {shapes}")
    # S1 S2 is not symmetric, but S1^½ S2 S1^½ has the same eigenvalues and is.
    root = _root(covariance)
    product = root @ other_covariance @ root
    # Symmetrised once more: rounding leaves differences that eigvalsh would ignore on one side.
    overlap = np.sqrt(_positive(np.linalg.eigvalsh((product + product.T) / 2))).sum()
    # The trace of (S1 S2)^1/2 is `overlap`: the root itself is never needed.
    apart = float(np.sum((mean - other_mean) ** 2))
    # Rounding can give a tiny negative sum for equal sets.
    return max(0.0, apart + float(np.trace(covariance) + np.trace(other_covariance) - 2.0 * overlap))


def moments_distance(one: Moments, other: Moments) -> float:
    """Return `frechet_distance` between two sets of vectors."""
    return frechet_distance(one.mean, one.covariance, other.mean, other.covariance)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    # The principal root by eigenvectors exists also for covariances without full rank.
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray((vectors * np.sqrt(_positive(values))) @ vectors.T)


def _positive(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return eigenvalues with rounding errors around 0 set to 0: their roots, 1e-8 each, would add up."""
    least = float(np.abs(values).max(initial=0.0)) * len(values) * np.finfo(np.float64).eps
    return np.asarray(np.where(values > least, values, 0.0))
