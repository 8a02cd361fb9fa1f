"""The base of every value that leaves backslide."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Frozen and JSON-safe: no NaN, no infinity. Unknown fields are ignored, so that older readers survive additions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def published_schema(kind: type[BaseModel], title: str, *, sparse: bool = False) -> dict[str, Any]:
    """The JSON Schema of a format, as it is published in docs/; ``sparse`` where what holds its default is left out."""
    schema = kind.model_json_schema(mode="validation" if sparse else "serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
