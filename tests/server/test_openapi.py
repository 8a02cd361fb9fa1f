"""The description of the API holds: whatever is sent, no 5xx, and every answer as described."""

from __future__ import annotations

import pytest

pytest.importorskip("schemathesis")
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def test_the_description_names_every_part(sqlite_server):
    document = sqlite_server.client.get("/openapi.json").json()
    tags = {tag for path in document["paths"].values() for one in path.values() for tag in one["tags"]}
    assert tags == {"operations", "records", "queries", "incidents", "jobs", "administration"}
    for path in document["paths"].values():
        for one in path.values():
            assert one["summary"]
            assert "HTTPValidationError" not in str(one["responses"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # hostile requests make libraries warn; here answers count
def test_no_server_error_and_no_answer_beside_the_description(sqlite_server):
    headers = sqlite_server.headers("admin")
    sqlite_server.client.post("/api/v1/models/loans/predictions", json={"features": {}}, headers=headers)
    schema = schemathesis.openapi.from_asgi("/openapi.json", sqlite_server.client.app, headers={"Host": "127.0.0.1"})
    failures = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ("/metrics", "/api/v1/models/{model}/lines"):
            continue  # text

        @settings(
            max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def call(case) -> None:
            answer = case.call(base_url="http://127.0.0.1", headers=headers)
            case.validate_response(answer, checks=CHECKS)

        try:
            call()
        except BaseException as error:  # groups of failures, too
            failures.append(
                f"{operation.label}: {error} {[str(one)[:600] for one in getattr(error, 'exceptions', ())]}"
            )
    assert not failures, "\n\n".join(failures)
