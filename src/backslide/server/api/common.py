"""What several parts of the API share: who calls, which model, what goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict

from backslide.server.access import Caller, require
from backslide.server.context import Context, context_of

MODEL_NAME = r"^[A-Za-z0-9]([A-Za-z0-9 ._\-]{0,98}[A-Za-z0-9._\-])?$"
ModelName = Annotated[str, Path(pattern=MODEL_NAME, description="Name of the model.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the incident within its model.")]
Parts = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, Depends(require("read"))]
Ingester = Annotated[Caller, Depends(require("ingest"))]
Operator = Annotated[Caller, Depends(require("operate"))]
Administrator = Annotated[Caller, Depends(require("admin"))]
Moment = Annotated[datetime, AfterValidator(lambda at: at.replace(tzinfo=UTC))]
"""A time of the tables, with its zone."""


class Entry(BaseModel):
    """A row of the store as the API shows it: its fields are read off the value of the same attributes."""

    model_config = ConfigDict(from_attributes=True)
