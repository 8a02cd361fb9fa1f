"""Bodies of requests and responses as rows.

Read are the open inference protocol (``inputs`` and ``outputs``, tensors by name; KServe v2, MLServer, Triton), KServe v1 and
TensorFlow Serving (``instances``, ``inputs``, ``predictions``), MLflow (``dataframe_split``, ``dataframe_records``) and plain
JSON: an object is one row, an array one row an item.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from math import prod
from typing import Any

import orjson

from backslide.contracts.config import PayloadSettings
from backslide.contracts.files import parse_json
from backslide.log.payloads.exchange import UnreadableRecordError

Row = dict[str, Any]
WIDEST = 32
"""Values of a tensor a row that become columns without names of their own; longer ones stay a vector, as embeddings are."""
ROWS_BY_PROTOCOL = ("instances", "dataframe_records")
ROWS_BY_HABIT = ("inputs", "input", "data", "features")
"""Words that a feature may be called as well: they hold the rows only where nothing but an envelope stands beside them."""
ENVELOPE = (
    "id",
    "parameters",
    "params",
    "signature_name",
    "model_name",
    "model_version",
    "outputs",
    "client_request_id",
)
PREDICTIONS = ("prediction", "predicted_class", "predicted_label", "label", "class", "predict", "output")
SCORES = ("probabilities", "scores", "predict_proba", "output_probability", "probability", "proba")


def decode(body: Any) -> Any:
    """A body that may be bytes or text of JSON, or base64 of it.

    Raises:
        UnreadableRecordError: it is none of them.
    """
    if not isinstance(body, (bytes, str)):
        return body
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        return orjson.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        pass
    with suppress(ValueError):  # NaN and Infinity, which Python writes
        value = parse_json(body)
        if isinstance(value, (dict, list)):
            return value
    raise UnreadableRecordError("bodies that are no JSON")


def request_rows(body: Any, settings: PayloadSettings) -> list[Row]:
    """Features of every row that was asked about.

    Raises:
        UnreadableRecordError: the body holds no rows.
    """
    if isinstance(body, dict):
        if isinstance(split := body.get("dataframe_split"), dict):
            return _split_rows(split, settings)
        if _is_tensors(body.get("inputs")):
            one = _row_of_tensors(body["inputs"], settings.features)
            if one is not None:
                return [_renamed(one, settings)]
            return _columns_to_rows(_tensor_columns(body["inputs"], settings.features), settings)
        for key in (*ROWS_BY_PROTOCOL, *ROWS_BY_HABIT):
            if isinstance(body.get(key), (list, dict)) and (key in ROWS_BY_PROTOCOL or body.keys() <= {key, *ENVELOPE}):
                return request_rows(body[key], settings) if isinstance(body[key], dict) else _items(body[key], settings)
        if body and all(isinstance(values, list) for values in body.values()):
            return _columns_to_rows(body, settings)  # an object of columns
        return [_renamed(body, settings)]
    if isinstance(body, list):
        return _items(body, settings)
    raise UnreadableRecordError("requests without rows")


def response_rows(body: Any, settings: PayloadSettings) -> list[Row]:
    """``prediction`` (or nothing), ``scores`` by class label, and what else was answered, of every row.

    ``decided`` is set where the prediction is not what was answered but the class with the largest score.

    Raises:
        UnreadableRecordError: the call failed, or the body holds no answers.
    """
    if isinstance(body, dict):
        if "error" in body or "error_code" in body:
            raise UnreadableRecordError("calls that failed")
        if _is_tensors(body.get("outputs")):
            one = _row_of_tensors(body["outputs"], (), vectors=True)
            if one is not None:
                return [_answer(one, settings)]
            columns = _tensor_columns(body["outputs"], (), vectors=True)
            return [_answer(item, settings) for item in _columns_to_rows(columns, None)]
        for key in ("predictions", "outputs", "output", "results"):
            if isinstance(body.get(key), list):
                return [_answer(item, settings) for item in body[key]]
            if isinstance(body.get(key), dict):
                return [_answer(item, settings) for item in _columns_to_rows(body[key], None)]
        return [_answer(body, settings)]
    if isinstance(body, list):
        return [_answer(item, settings) for item in body]
    if body is None:
        raise UnreadableRecordError("responses without answers")
    return [_answer(body, settings)]


def _split_rows(split: Mapping[str, Any], settings: PayloadSettings) -> list[Row]:
    columns, data = split.get("columns"), split.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        raise UnreadableRecordError("frames without columns or data")
    if any(not isinstance(row, list) or len(row) != len(columns) for row in data):
        raise UnreadableRecordError("frames whose rows do not fit their columns")
    names = [str(name) for name in columns]
    return [_renamed(dict(zip(names, row, strict=True)), settings) for row in data]


def _items(items: list[Any], settings: PayloadSettings) -> list[Row]:
    if items and not any(isinstance(item, (list, dict)) for item in items):
        return [{_only_name(settings): item} for item in items]  # one feature a row
    rows: list[Row] = []
    for item in items:
        if isinstance(item, dict):
            rows.append(_renamed(item, settings))
        elif isinstance(item, list):
            rows.append(_positions(item, settings))
        else:
            rows.append({_only_name(settings): item})
    return rows


def _positions(values: Sequence[Any], settings: PayloadSettings) -> Row:
    names = settings.features
    if names:
        if len(names) != len(values):
            raise UnreadableRecordError(f"rows of {len(values)} values where [payload] features names {len(names)}")
        return dict(zip(names, values, strict=True))
    if len(values) > WIDEST:
        return {"features": list(values)}
    return dict(zip(_numbered(len(values)), values, strict=True))


@lru_cache
def _numbered(width: int, begins: str = "feature_") -> tuple[str, ...]:
    return tuple(f"{begins}{k}" for k in range(width))


def _only_name(settings: PayloadSettings) -> str:
    return settings.features[0] if len(settings.features) == 1 else "feature_0"


def _renamed(row: Row, settings: PayloadSettings) -> Row:
    if not settings.columns:
        return row
    return {settings.columns.get(name, name): value for name, value in row.items()}


def _is_tensors(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(v, dict) and "data" in v for v in values)


def _row_of_tensors(tensors: Sequence[Mapping[str, Any]], names: Sequence[str], *, vectors: bool = False) -> Row | None:
    """What ``_tensor_columns`` makes of flat tensors of one row, which most calls are, in a third of the time; else None."""
    row: Row = {}
    for k, tensor in enumerate(tensors):
        data, shape = tensor["data"], tensor.get("shape")
        plain = type(data) is list and data and type(data[0]) is not list and tensor.get("datatype") != "BYTES"
        if not plain or type(shape) is not list or set(map(type, shape)) != {int} or shape[0] != 1:
            return None
        width = len(data)
        if prod(shape) != width:
            return None
        name = str(tensor.get("name") or f"tensor_{k}")
        if width == 1:
            row[name] = data[0]
        elif vectors:
            row[name] = data
        elif len(names) == width:
            row.update(zip(names, data, strict=True))
        elif width <= WIDEST:
            row.update(zip(_numbered(width, f"{name}_"), data, strict=True))
        else:
            return None
    return row


def _tensor_columns(
    tensors: Sequence[Mapping[str, Any]], names: Sequence[str], *, vectors: bool = False
) -> dict[str, list[Any]]:
    """Columns of named tensors, whose first dimension counts the rows.

    Args:
        tensors: as the open inference protocol writes them; ``data`` flat or nested.
        names: columns of a tensor of that width, in its order.
        vectors: a row of a wide tensor stays together.
    """
    columns: dict[str, list[Any]] = {}
    for k, tensor in enumerate(tensors):
        name, data = str(tensor.get("name") or f"tensor_{k}"), _flat(tensor["data"])
        shape = tensor.get("shape") or [len(data)]
        if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
            raise UnreadableRecordError(f"tensors whose shape is no list of sizes ({name})")
        rows, width = (shape[0], prod(shape[1:])) if shape else (1, 1)
        if rows * width != len(data) or (rows and not width):  # no values would be any number of rows
            raise UnreadableRecordError(f"tensors whose data do not fit their shape ({name})")
        if str(tensor.get("datatype")) == "BYTES":
            data = [_text(value, tensor) for value in data]
        if width == 1:
            columns[name] = data
        elif not vectors and len(names) == width:
            columns |= {name: data[j::width] for j, name in enumerate(names)}
        elif not vectors and width <= WIDEST:
            columns |= {f"{name}_{j}": data[j::width] for j in range(width)}
        else:
            columns[name] = [data[i * width : (i + 1) * width] for i in range(rows)]
    return columns


def _flat(data: Any) -> list[Any]:
    while isinstance(data, list) and data and isinstance(data[0], list):
        data = [value for part in data for value in part]
    return data if isinstance(data, list) else [data]


def _text(value: Any, tensor: Mapping[str, Any]) -> Any:
    if (tensor.get("parameters") or {}).get("content_type") == "base64" and isinstance(value, str):
        return base64.b64decode(value).decode("utf-8", "replace")
    return value


def _columns_to_rows(columns: Mapping[str, list[Any]], settings: PayloadSettings | None) -> list[Row]:
    if not all(isinstance(values, list) for values in columns.values()):
        raise UnreadableRecordError("columns that are no lists")
    sizes = set(map(len, columns.values()))
    if len(sizes) > 1:
        raise UnreadableRecordError("columns of one body with other numbers of rows")
    renamed = settings.columns if settings is not None else None
    names = [renamed.get(name, name) for name in columns] if renamed else list(columns)
    if sizes == {1}:  # most calls are about one row
        return [{name: values[0] for name, values in zip(names, columns.values(), strict=True)}]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _answer(item: Any, settings: PayloadSettings) -> Row:
    """One answer: a value, a vector of scores, or an object that holds either."""
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, list):
        return _with_decision({"scores": _scores(item, settings)})
    if not isinstance(item, dict):
        return {"prediction": item}
    chosen = settings.prediction or next((name for name in PREDICTIONS if name in item), None)
    scored = settings.scores or next((name for name in SCORES if name in item), None)
    if chosen is None and len(item) - (scored in item) == 1:
        (chosen,) = (name for name in item if name != scored)
    answer: Row = {}
    value = item.get(chosen) if chosen is not None else None
    if isinstance(value, list) and scored is None:
        scored, value = chosen, None
    if isinstance(value, (list, dict)):
        raise UnreadableRecordError("answers of a form that is not known; name one with [payload] prediction")
    if value is not None:
        answer["prediction"] = value
    if scored is not None and isinstance(item.get(scored), (list, dict)):
        answer["scores"] = _scores(item[scored], settings)
    if not answer:
        raise UnreadableRecordError("answers without a prediction; name it with [payload] prediction or scores")
    rest = {name: value for name, value in item.items() if name not in (chosen, scored)}
    return _with_decision(answer | ({"rest": rest} if rest else {}))


def _scores(values: Any, settings: PayloadSettings) -> dict[str, Any]:
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items()}
    names = settings.classes or [str(k) for k in range(len(values))]
    if len(names) != len(values):
        raise UnreadableRecordError(f"answers of {len(values)} scores where [payload] classes names {len(names)}")
    return dict(zip(names, values, strict=True))


def _with_decision(answer: Row) -> Row:
    """The class with the largest score, where no decision was sent."""
    if "prediction" in answer or len(answer["scores"]) < 2:
        return answer
    scores = {name: value for name, value in answer["scores"].items() if isinstance(value, (int, float))}
    return answer | ({"prediction": max(scores, key=lambda name: scores[name]), "decided": True} if scores else {})
