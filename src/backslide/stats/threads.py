"""Native threads of tree models, held to one where the trees are small.

OpenMP threads meet at every node of a tree. Where other programs want the cores as well, each meeting waits for a thread that
does not run, and a fit on a few thousand rows takes five times as long as on one thread.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_openmp_thread() -> Any:
    """A context in which scikit-learn's trees are fitted and asked on one thread; everything else keeps its threads."""
    return _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    """Looked for once: the libraries are loaded with scikit-learn's trees, and looking takes twenty milliseconds."""
    import sklearn.ensemble

    assert sklearn.ensemble  # it loads OpenMP
    return ThreadpoolController().select(user_api="openmp")
