"""A model whose answers are recorded as they are served."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any


class RecordingModel:
    """Answers as the model does and records every row that was asked for; what goes wrong in recording harms no answer.

    ``predict`` records predictions, ``predict_proba`` scores by class. Whoever asks both of the same rows names one of the two in
    ``methods``, so that a row is recorded once. Everything else is the model's own.

    Args:
        model: anything with ``predict``.
        record: writes one row and returns its id, as ``Recorder.record`` does.
        on_error: is told what went wrong in recording.
        version: of the model.
        methods: whose answers are recorded.
    """

    def __init__(
        self,
        model: Any,
        record: Callable[..., str | None],
        on_error: Callable[[Exception], None],
        *,
        version: str | None = None,
        methods: tuple[str, ...] = ("predict", "predict_proba"),
    ) -> None:
        self._model, self._record, self._on_error = model, record, on_error
        self._version, self._methods = version, frozenset(methods)
        self._ids: ContextVar[list[str | None]] = ContextVar("ids", default=[])  # noqa: B039 - never changed in place

    @property
    def ids(self) -> list[str | None]:
        """Ids of the rows of the last call in this thread or task, to tell their labels by; None where one was not written."""
        return self._ids.get()

    def predict(self, X: Any, *arguments: Any, ids: Sequence[str] | None = None, **options: Any) -> Any:
        """What the model predicts."""
        answer = self._model.predict(X, *arguments, **options)
        self._served("predict", X, answer, ids)
        return answer

    def predict_proba(self, X: Any, *arguments: Any, ids: Sequence[str] | None = None, **options: Any) -> Any:
        """Scores by class, as the model gives them."""
        answer = self._model.predict_proba(X, *arguments, **options)
        self._served("predict_proba", X, answer, ids)
        return answer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and "_model" not in self.__dict__:  # while it is copied or unpickled
            raise AttributeError(name)
        return getattr(self._model, name)

    def __repr__(self) -> str:
        return f"Recorded({self._model!r})"

    def _served(self, method: str, X: Any, answer: Any, ids: Sequence[str] | None) -> None:
        if method not in self._methods:
            return
        from backslide.contracts.labels import label_text

        try:
            rows, answers = _rows(X, self._model), _plain(answer)
            scores = (
                [label_text(label) for label in getattr(self._model, "classes_", ())]
                if method == "predict_proba"
                else None
            )
            row_ids: list[str | None] = []
            for row, reply, name in zip(
                rows, answers, ids if ids is not None else itertools.repeat(None), strict=False
            ):
                prediction, chances = (reply, None) if scores is None else (None, dict(zip(scores, reply, strict=True)))
                row_ids.append(self._record(row, prediction, chances, id=name, version=self._version))
            self._ids.set(row_ids)
        except Exception as error:
            self._ids.set([])
            self._on_error(error)


def _rows(X: Any, model: Any) -> Iterator[Mapping[str, Any]]:
    """Rows as names and values: of data frames, arrays (n, d), sparse matrices, lists of rows, columns of one thing each."""
    if hasattr(X, "iter_rows"):  # Polars
        yield from X.iter_rows(named=True)
        return
    if hasattr(X, "itertuples"):  # pandas
        names = [str(name) for name in X.columns]
        for row in X.itertuples(index=False, name=None):
            yield dict(zip(names, row, strict=True))
        return
    columns = getattr(model, "feature_names_in_", None)
    names = [] if columns is None else [str(name) for name in columns]
    for row in _plain(X.toarray() if hasattr(X, "toarray") else X):
        if isinstance(row, Mapping):
            yield row
        elif isinstance(row, (list, tuple)):
            own = names if len(names) == len(row) else [f"x{k}" for k in range(len(row))]
            yield dict(zip(own, row, strict=True))
        else:
            yield {names[0] if len(names) == 1 else "x0": row}


def _plain(values: Any) -> Iterable[Any]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    elif hasattr(values, "to_list"):
        values = values.to_list()
    return values if isinstance(values, (list, tuple)) else [values]
