"""Native threads: one for our own linear algebra, and those there were for code of the user's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.ensemble
from threadpoolctl import ThreadpoolController

from backslide.models.user_code import contained
from backslide.stats.threads import one_blas_thread

BLAS = ThreadpoolController().select(user_api="blas")
assert sklearn.ensemble  # it loads the libraries


def threads() -> set[int]:
    return {library["num_threads"] for library in BLAS.info()}


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    """As on a machine with two processors, whatever the environment says."""
    with BLAS.limit(limits=2):
        yield


def test_jobs_that_overlap_give_the_threads_back_with_the_last_of_them() -> None:
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == {2}


def test_code_of_the_user_keeps_its_threads_even_where_it_fails() -> None:
    with one_blas_thread():
        with contained("a model"):
            assert threads() == {2}
        assert threads() == {1}
        with pytest.raises(ZeroDivisionError), contained("a model"):
            _ = 1 / 0
        assert threads() == {1}
    assert threads() == {2}


def test_outside_of_a_job_nothing_changes() -> None:
    with contained("a model"):
        assert threads() == {2}
    assert threads() == {2}
