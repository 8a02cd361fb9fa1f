"""Payload logs of two rows, as the servers of every format write them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from backslide.contracts.config import PayloadSettings

AT = "2026-03-01T10:00:00.25Z"
TIME = datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)
V2 = {
    "inputs": [
        {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [41, 52]},
        {"name": "job", "shape": [2, 1], "datatype": "BYTES", "data": ["nurse", "cook"]},
    ]
}
V2_ANSWER = {
    "model_name": "loans",
    "model_version": "7",
    "id": "c-1",
    "outputs": [
        {"name": "predict", "shape": [2, 1], "datatype": "INT64", "data": [0, 1]},
        {"name": "predict_proba", "shape": [2, 2], "datatype": "FP64", "data": [0.9, 0.1, 0.2, 0.8]},
    ],
}


def event(half: str, body: Any, id: str = "c-1", domain: str = "org.kubeflow.serving") -> dict[str, Any]:
    """A CloudEvent of an inference logger, structured."""
    return {
        "specversion": "1.0",
        "id": id,
        "type": f"{domain}.inference.{half}",
        "source": "http://localhost:9081/",
        "time": AT,
        "inferenceservicename": "loans",
        "namespace": "shop",
        "data": body,
    }


def stored(half: str, body: Any, id: str = "c-1") -> dict[str, Any]:
    """The record that KServe's logger writes to an object store."""
    text = base64.b64encode(json.dumps(body).encode()).decode()
    return {
        "Url": None,
        "Bytes": text,
        "ContentType": "application/json",
        "Id": id,
        "InferenceService": "loans",
        "ReqType": f"org.kubeflow.serving.inference.{half}",
        "Namespace": "shop",
        "Component": "predictor",
    }


def dumped(half: str, body: Any, id: str = "c-1") -> dict[str, Any]:
    """A CloudEvent in binary mode, as a sink keeps headers and body."""
    headers = {"Ce-Id": id, "Ce-Type": f"io.seldon.serving.inference.{half}", "Ce-Time": AT, "Requestid": id}
    return {"headers": headers, "body": json.dumps(body)}


ROWS = {"instances": [[41, "nurse"], [52, "cook"]]}
ANSWERS = {"predictions": [[0.9, 0.1], [0.2, 0.8]]}
MLFLOW = {"dataframe_split": {"columns": ["age", "job"], "index": [0, 1], "data": [[41, "nurse"], [52, "cook"]]}}
NAMES = PayloadSettings(features=("age", "job"), classes=("0", "1"))
MONITOR = {
    "meta_data": {"bento_name": "loans", "bento_version": "7"},
    "columns": [
        {"name": "age", "role": "feature", "type": "numerical"},
        {"name": "job", "role": "feature", "type": "categorical"},
        {"name": "said", "role": "prediction", "type": "categorical"},
        {"name": "truth", "role": "target", "type": "categorical"},
    ],
}
PEOPLE = [{"age": 41, "job": "nurse"}, {"age": 52, "job": "cook"}]
LOGS: dict[str, tuple[str, list[Any]]] = {
    "kserve, structured": ("kserve", [event("request", ROWS), event("response", ANSWERS)]),
    "kserve, the answer first": ("kserve", [event("response", ANSWERS), event("request", ROWS)]),
    "kserve, open inference protocol": ("kserve", [event("request", V2), event("response", V2_ANSWER)]),
    "kserve, object store": ("kserve", [stored("request", ROWS), stored("response", ANSWERS)]),
    "kserve, binary mode": ("kserve", [dumped("request", ROWS), dumped("response", ANSWERS)]),
    "mlserver, events": ("mlserver", [event("request", V2, domain="io.seldon.serving"), event("response", V2_ANSWER)]),
    "mlserver, topics": ("mlserver", [V2 | {"id": "c-1", "time": AT}, V2_ANSWER]),
    "mlserver, pairs": ("mlserver", [{"request": V2, "response": V2_ANSWER, "time": AT}]),
    "mlflow, custom endpoint": (
        "mlflow",
        [
            {
                "databricks_request_id": "c-1",
                "timestamp_ms": 1_772_359_200_250,
                "status_code": 200,
                "request": json.dumps(MLFLOW),
                "response": json.dumps(ANSWERS),
                "request_metadata": {"model_version": "7"},
            }
        ],
    ),
    "mlflow, gateway": (
        "mlflow",
        [
            {
                "databricks_request_id": "c-1",
                "request_time": TIME,
                "status_code": "200",
                "served_entity_id": "7",
                "request": json.dumps({"dataframe_records": PEOPLE}),
                "response": json.dumps(ANSWERS),
            }
        ],
    ),
    "bentoml": (
        "bentoml",
        [
            MONITOR,
            *(
                row | {"said": said, "truth": None, "timestamp": AT[:-1], "request_id": "c-1"}
                for said, row in enumerate(PEOPLE)
            ),
        ],
    ),
    "ray": (
        "ray",
        [
            {"levelname": "INFO", "asctime": "x", "message": "started", "request_id": "c-1"},
            {
                "message": "served",
                "request_id": "c-1",
                "timestamp_ns": 1_772_359_200_250_000_000,
                "deployment": "Loans",
                "request": ROWS,
                "response": ANSWERS,
            },
        ],
    ),
    "json lines": ("json-lines", [{"id": "c-1", "timestamp": AT, "inputs": PEOPLE, "outputs": [0, 1], "version": 7}]),
}
