"""The base of every value that leaves backslide."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Frozen and JSON-safe: no NaN, no infinity. Unknown fields are ignored, so that older readers survive additions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
