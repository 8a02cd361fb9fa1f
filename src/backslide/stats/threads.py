"""Native threads, held to one where the work is small.

OpenMP threads meet at every node of a tree, and BLAS threads at every product of matrices. Where other programs want the cores as
well, each meeting waits for a thread that does not run, and threads that wait for the next product do it by spinning: a diagnosis
of 20,000 rows took twice the processor time, and no less by the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_openmp_thread() -> Any:
    """A context in which scikit-learn's trees are fitted and asked on one thread; everything else keeps its threads."""
    return _controller("openmp").limit(limits=1)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context, or a decorator, in which our own linear algebra runs on one thread; the user's code keeps its threads."""
    _Blas.enter()
    try:
        yield
    finally:
        _Blas.leave()


@contextmanager
def all_blas_threads() -> Iterator[None]:
    """A context for code of the user's own inside :func:`one_blas_thread`: as many threads as there were outside."""
    limit = _Blas.limit
    if limit is None:
        yield
        return
    limit.restore_original_limits()
    try:
        yield
    finally:
        if _Blas.limit is not None:
            _controller("blas").limit(limits=1)


class _Blas:
    """How many jobs of this process hold the threads; the first limits them and the last gives them back."""

    lock = threading.Lock()
    jobs = 0
    limit: Any = None

    @classmethod
    def enter(cls) -> None:
        with cls.lock:
            if not cls.jobs:
                cls.limit = _controller("blas").limit(limits=1)
            cls.jobs += 1

    @classmethod
    def leave(cls) -> None:
        with cls.lock:
            cls.jobs -= 1
            if not cls.jobs:
                cls.limit.restore_original_limits()
                cls.limit = None


@cache
def _controller(interface: str) -> ThreadpoolController:
    """Looked for once: the libraries are loaded with scikit-learn's trees, and looking takes twenty milliseconds."""
    import sklearn.ensemble
    from threadpoolctl import ThreadpoolController

    assert sklearn.ensemble  # it loads OpenMP, and the BLAS of NumPy and SciPy
    return ThreadpoolController().select(user_api=interface)
