"""ONNX files as models with ``predict`` and ``predict_proba``; running one executes no code of its author."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backslide.contracts.extras import needs
from backslide.models.failures import explain_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(float16)": np.float16,
}


def read_onnx(path: Path, shown: str) -> Any:
    """The model in an ONNX file: a regressor, or a classifier where the file names its classes.

    Raises:
        MissingExtraError: onnxruntime or onnx is not installed.
        ModelError: the file is not there or cannot be read.
    """
    with needs("onnx", f"reading the ONNX file {shown}"):
        import onnx
        import onnxruntime
    with explain_failure(f"{shown} cannot be read as an ONNX file"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(str(path), load_external_data=False)
    classes = _classes(graph)
    return OnnxModel(session, graph) if classes is None else OnnxClassifier(session, graph, classes)


class OnnxModel:
    """A regressor, or anything else that gives one number or label per row."""

    library = "onnx"
    """How the kinds of its steps begin."""

    def __init__(self, session: Any, graph: Any) -> None:
        self.session = session
        self.graph = graph
        self.inputs = list(session.get_inputs())
        self.outputs = list(session.get_outputs())
        names = _column_names(self.inputs, graph)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)

    def predict(self, rows: pd.DataFrame) -> Any:
        """Labels or numbers (n,)."""
        return self._run(rows)[0]

    def _run(self, rows: pd.DataFrame) -> list[Any]:
        outputs = self.session.run(None, self._feed(rows))
        return [
            np.asarray(v).ravel() if i == 0 and np.ndim(v) == 2 and np.shape(v)[1] == 1 else v
            for i, v in enumerate(outputs)
        ]

    def _feed(self, rows: pd.DataFrame) -> dict[str, Any]:
        if len(self.inputs) == 1:
            one = self.inputs[0]
            return {
                one.name: _tensor(np.column_stack([_column(rows, name, one.type) for name in rows.columns]), one.type)
            }
        return {i.name: _tensor(_column(rows, i.name, i.type), i.type).reshape(-1, 1) for i in self.inputs}

    def graph_steps(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Name, operator and attributes of every node that holds numbers or labels, then the weights beside them."""
        with needs("onnx", "reading an ONNX file"):
            import onnx
            from onnx import numpy_helper

        for index, node in enumerate(self.graph.graph.node):
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values = {
                name: _attribute_values(value)
                for name, value in attributes.items()
                if isinstance(value, list) and value
            }
            if values:
                yield f"{index} {node.name or node.op_type}", node.op_type, values
        weights = {w.name: numpy_helper.to_array(w) for w in self.graph.graph.initializer}
        if weights:
            yield "weights", "weights", weights

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxModel:
        return self  # a session cannot be copied, and nothing in it can be fitted


class OnnxClassifier(OnnxModel):
    """A classifier: its second output, or its only one of K columns, holds the scores."""

    def __init__(self, session: Any, graph: Any, classes: list[Any]) -> None:
        super().__init__(session, graph)
        self.classes_ = np.array(classes)

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        """Scores (n, K) in the order of ``classes_``."""
        outputs = self._run(rows)
        scores = outputs[1] if len(outputs) > 1 else outputs[0]
        if isinstance(scores, list):  # a ZipMap gives a dictionary per row
            return np.array([[row[label] for label in self.classes_.tolist()] for row in scores], dtype=np.float64)
        return np.asarray(scores, dtype=np.float64)

    def predict(self, rows: pd.DataFrame) -> Any:
        """Labels (n,)."""
        outputs = self._run(rows)
        return outputs[0] if len(outputs) > 1 else self.classes_[np.argmax(self.predict_proba(rows), axis=1)]


def _attribute_values(values: list[Any]) -> Any:
    if isinstance(values[0], bytes):
        return np.array([v.decode("utf-8", "replace") for v in values], dtype=object)
    return np.array(values) if isinstance(values[0], (int, float)) else [str(v) for v in values]


def _classes(graph: Any) -> list[Any] | None:
    """Class labels as the nodes of the graph hold them."""
    for node in reversed(graph.graph.node):
        for attribute in node.attribute:
            if attribute.name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
                labels = [s.decode() for s in attribute.strings] or list(attribute.ints)
                if labels:
                    return labels
    return None


def _column_names(inputs: list[Any], graph: Any) -> list[str] | None:
    """One input per column is named by it; of a single one, where the file's metadata says so."""
    if len(inputs) > 1:
        return [i.name for i in inputs]
    noted = {p.key: p.value for p in graph.metadata_props}
    return noted["feature_names"].split(",") if noted.get("feature_names") else None


def _column(rows: pd.DataFrame, name: str, kind: str) -> Any:
    values = rows[name]
    if kind == "tensor(string)":
        return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)
    return values.to_numpy()


def _tensor(values: Any, kind: str) -> Any:
    return values.astype(_NUMBERS[kind]) if kind in _NUMBERS else values
