"""Near-copies among texts in bounded memory: runs of three words, one-permutation MinHash, and buckets of its bands.

A text is 64 numbers whatever its length, and in every bucket texts are held against one of them, so that neither long texts
nor large clumps cost more than linear time and memory.

References: Broder (1997); Li, Owen and Zhang (2012); Shrivastava and Li (2014) for empty bins.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from backslide.stats.arrays import Ints

BINS = 64
BAND = 4
"""Numbers of a bucket: texts that share half of their runs meet in one of the 16 with 64 %, those that share 0.8 with 99.9 %."""
RUN = 3
"""Words in a run."""
ALIKE = 0.7
"""Share of the runs that two near-copies share, as estimated from the 64 numbers (error about 0.06)."""
WORD = r"[\p{L}\p{M}\p{N}]+"
_MIX = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
Hashes = NDArray[np.uint64]


def signatures(texts: pl.Series) -> Hashes:
    """One-permutation MinHash of every text (n, BINS); texts without words are all ``_EMPTY``."""
    n = len(texts)
    words = (
        texts.str.to_lowercase().str.extract_all(WORD).alias("word").to_frame().with_row_index("row").explode("word")
    )
    words = words.drop_nulls("word")
    row = words["row"].to_numpy().astype(np.int64)
    value = words["word"].hash(seed=11).to_numpy().astype(np.uint64)
    runs = value.copy()
    with np.errstate(over="ignore"):
        for step in range(1, RUN):
            follows = np.zeros(len(row), bool)
            follows[: len(row) - step] = row[step:] == row[: len(row) - step]
            later = np.roll(value, -step)
            runs = np.where(follows, (runs * _MIX) ^ (later + np.uint64(step)), runs)
        runs = _mixed(runs)
    result = np.full(n * BINS, _EMPTY, np.uint64)
    np.minimum.at(result, row * BINS + (runs >> np.uint64(58)).astype(np.int64), runs)
    return _filled(result.reshape(n, BINS))


def _mixed(x: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of ``x`` (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _filled(hashes: Hashes) -> Hashes:
    """Empty bins take the number of the next bin that is not, and how far it is."""
    part = hashes.copy()
    with np.errstate(over="ignore"):
        for step in range(1, BINS):
            empty = part == _EMPTY
            if not empty.any():
                break
            other = np.roll(hashes, -step, axis=1)
            part = np.where(empty & (other != _EMPTY), other + np.uint64(step) * _MIX, part)
    return np.asarray(part)


def clumps(hashes: Hashes) -> Ints:
    """The number of the clump of near-copies of each text (n,); a text without a copy is a clump of its own."""
    n = len(hashes)
    known = hashes[:, 0] != _EMPTY
    one, other = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, BINS, BAND):
        first = _first_of_bucket(hashes[:, start : start + BAND])
        at = np.flatnonzero(known & (first != np.arange(n)))
        alike = at[(hashes[at] == hashes[first[at]]).mean(axis=1) >= ALIKE] if len(at) else at
        one.append(alike)
        other.append(first[alike])
    a, b = np.concatenate(one), np.concatenate(other)
    graph = sparse.coo_matrix((np.ones(len(a), bool), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _first_of_bucket(band: Hashes) -> Ints:
    key = np.zeros(len(band), np.uint64)
    with np.errstate(over="ignore"):
        for k in range(band.shape[1]):
            key = _mixed(key * _MIX + band[:, k])
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(first[place], np.int64)
