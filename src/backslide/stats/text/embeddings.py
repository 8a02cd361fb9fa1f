"""What is asked of embeddings: principal axes, clusters of the reference, norms, and maps between two spaces."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from backslide.stats.arrays import Floats, Ints

Matrix = NDArray[np.float32]
MOST_CLUSTERS = 16
ROWS_PER_CLUSTER = 60
FAR = 0.995
"""Quantile of the distances of held-out reference vectors beyond which one lies near no cluster."""


@dataclass(frozen=True)
class Axes:
    """Principal axes of some vectors."""

    centre: Floats
    """(d,)."""
    directions: Floats
    """Orthonormal (k, d), the widest first."""
    spread: Floats
    """Share of the whole variance along each (k,)."""

    def coordinates(self, x: Matrix) -> Floats:
        """Of (n, d) vectors: (n, k)."""
        return np.asarray((x - self.centre) @ self.directions.T, np.float64)


def axes_of(x: Matrix, most: int) -> Axes:
    """At most ``most`` principal axes of (n, d); the sign of each makes its largest number positive."""
    from sklearn.decomposition import PCA

    n, d = x.shape
    pca = PCA(min(most, n, d), svd_solver="covariance_eigh" if d <= n else "full")
    with np.errstate(invalid="ignore"):  # vectors that are all alike have no variance to take shares of
        pca.fit(x.astype(np.float64))
    return Axes(pca.mean_, pca.components_, np.nan_to_num(pca.explained_variance_ratio_))


def norms(x: Matrix) -> Floats:
    """Length of each vector (n,); overflowing ones are infinite."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64)))


def directions_of(x: Matrix) -> Matrix:
    """Vectors of length 1; zero vectors stay zero."""
    size = norms(x)
    return np.asarray(x / np.where(size > 0, size, 1.0)[:, None], np.float32)


@dataclass(frozen=True)
class Clusters:
    """Clusters of one half of the reference."""

    centres: Floats
    """(K, d)."""
    reach: float
    """Distance from the nearest centre beyond which a vector lies near none."""

    def places(self, x: Matrix) -> tuple[Ints, Floats]:
        """Cluster of each vector, K for those near none (n,), and the distance from the nearest centre (n,)."""
        nearest, apart = _nearest(x, self.centres)
        return np.where(apart > self.reach, len(self.centres), nearest).astype(np.int64), apart


def clusters_of(x: Matrix, held_out: Matrix, seed: int = 0) -> Clusters | None:
    """At most ``MOST_CLUSTERS`` by k-means on (n, d); ``held_out`` vectors of the same window tell how far is near.

    None where the vectors are too few or all alike.
    """
    from sklearn.cluster import MiniBatchKMeans

    k = min(MOST_CLUSTERS, len(x) // ROWS_PER_CLUSTER)
    if k < 2 or not len(held_out) or not float(np.ptp(x, axis=0).max()) > 0:
        return None
    model = MiniBatchKMeans(k, batch_size=1024, n_init=3, max_iter=60, random_state=seed, reassignment_ratio=0.01)
    with warnings.catch_warnings(action="ignore"):  # fewer distinct vectors than clusters
        model.fit(x)
    centres = np.unique(np.asarray(model.cluster_centers_, np.float64), axis=0)
    _, apart = _nearest(held_out, centres)
    return Clusters(centres, float(np.quantile(apart, FAR)) + 1e-9)


def _nearest(x: Matrix, centres: Floats) -> tuple[Ints, Floats]:
    square = (x.astype(np.float64) ** 2).sum(axis=1)[:, None] - 2 * (x @ centres.T) + (centres**2).sum(axis=1)[None, :]
    nearest = square.argmin(axis=1)
    return nearest.astype(np.int64), np.sqrt(
        np.maximum(np.take_along_axis(square, nearest[:, None], axis=1)[:, 0], 0.0)
    )


@dataclass(frozen=True)
class Rotation:
    """new = scale * old @ turn: the orthogonal map between two spaces (Schoenemann 1966)."""

    turn: Floats
    """(d, d), orthogonal."""
    scale: float

    def apply(self, x: Matrix | Floats) -> Floats:
        """Old space to new."""
        return np.asarray(self.scale * (x @ self.turn), np.float64)

    def undo(self, x: Matrix | Floats) -> Floats:
        """New space to old."""
        return np.asarray((x @ self.turn.T) / self.scale, np.float64)


def rotation_between(old: Matrix | Floats, new: Matrix | Floats) -> Rotation:
    """The orthogonal map and scale that take ``old`` (n, d) nearest to ``new`` (n, d), row by row."""
    turn, total = orthogonal_procrustes(old.astype(np.float64), new.astype(np.float64))
    return Rotation(
        np.asarray(turn, np.float64), max(float(total) / max(float((old.astype(np.float64) ** 2).sum()), 1e-300), 1e-12)
    )


def explained(truth: Matrix, guess: Matrix) -> float:
    """Share of the variance of (n, d) vectors that the guesses account for; can be negative."""
    from sklearn.metrics import r2_score

    if not np.ptp(truth, axis=0).any():
        return 0.0
    return float(r2_score(truth.astype(np.float64), guess.astype(np.float64), multioutput="variance_weighted"))


SEARCHED = 1_200
"""Vectors of either window between which neighbours are looked for."""


def strangers(reference: Matrix | Floats, asked: Matrix | Floats) -> float:
    """Share of (m, d) vectors farther from all of ``reference`` than all but 1 % of it are from the rest of it."""
    from sklearn.neighbors import NearestNeighbors

    known, holdout = _some(reference[::2]), _some(reference[1::2])
    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known)
    usual = near.kneighbors(holdout)[0][:, 0]
    return float((near.kneighbors(_some(asked))[0][:, 0] > np.quantile(usual, 0.99) * (1 + 1e-6)).mean())


def _some(x: Matrix | Floats, most: int = SEARCHED) -> Matrix | Floats:
    """At most ``most`` rows, evenly spread."""
    if len(x) <= most:
        return x
    return x[np.unique(np.linspace(0, len(x) - 1, most).round().astype(np.int64))]
