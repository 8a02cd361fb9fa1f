"""The base of every value that leaves backslide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from backslide.contracts.errors import InputError


class Value(BaseModel):
    """Frozen and JSON-safe: no NaN, no infinity. Unknown fields are ignored, so that older readers survive additions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def published_schema(kind: type[BaseModel], title: str, *, sparse: bool = False) -> dict[str, Any]:
    """The JSON Schema of a format, as it is published in docs/; ``sparse`` where what holds its default is left out."""
    schema = kind.model_json_schema(mode="validation" if sparse else "serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


class Published(Value):
    """A whole answer that other programs read: JSON in a published format, which its field ``format`` names."""

    noun: ClassVar[str]
    """What it is called in errors."""
    writer: ClassVar[str]
    """The command that writes it."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary in the published format."""
        return self.model_dump(mode="json")

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the format, as published in docs/."""
        return published_schema(cls, cls.model_fields["format"].default)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            InputError: when the dictionary is not of a format that this version reads.
        """
        expected = cls.model_fields["format"].default
        found = data.get("format") if isinstance(data, dict) else None
        if found != expected:
            raise InputError(
                f"expected a {cls.noun} of format {expected!r}, found {found!r}; write it with `{cls.writer}`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"the {cls.noun} cannot be read at {where}: {first['msg']}") from None

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text; also written to ``path`` when one is given."""
        return written(json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False), path, end="\n")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            InputError: when the text is not JSON, or not of the format.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"expected a {cls.noun} as JSON: {error}") from None
        return cls.from_dict(data)


def written(text: str, path: str | Path | None, end: str = "") -> str:
    """The text; also written to ``path`` when one is given."""
    if path is not None:
        Path(path).write_text(text + end, encoding="utf-8")
    return text
