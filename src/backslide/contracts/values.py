"""The base of every value that leaves backslide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from backslide.contracts.errors import InputError
from backslide.contracts.files import parse_json, write_whole
from backslide.contracts.secrets import scrub_answer


class Value(BaseModel):
    """Frozen and JSON-safe: no NaN, no infinity. Unknown fields are ignored, so that older readers survive additions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class PublishedDocument(Value):
    """A whole answer that other programs read: JSON in a published format, which its field ``format`` names."""

    noun: ClassVar[str]
    """What it is called in errors, with its article."""
    writer: ClassVar[str]
    """The command that writes it."""
    sparse: ClassVar[bool] = False
    """Whether it is written without the fields that hold their defaults, and on one line."""

    def model_post_init(self, _: Any) -> None:
        """Take credentials out of every text, for this is what leaves: sources and errors of others are quoted in answers."""
        _scrub_texts(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary in the published format."""
        content = self.model_dump(mode="json", exclude_defaults=self.sparse)
        return {"format": type(self).model_fields["format"].default} | content

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the format, as published in docs/."""
        schema = cls.model_json_schema(mode="validation" if cls.sparse else "serialization")
        title = cls.model_fields["format"].default
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            InputError: when the dictionary is not of a format that this version reads.
        """
        expected = cls.model_fields["format"].default
        format_name = data.get("format") if isinstance(data, dict) else None
        if format_name != expected:
            raise InputError(
                f"expected {cls.noun} of format {expected!r}, found {format_name!r}; write it with `{cls.writer}`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            noun = cls.noun.partition(" ")[2]
            raise InputError(f"the {noun} cannot be read at {where}: {first['msg']}") from None

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text; also written to ``path`` when one is given."""
        layout: dict[str, Any] = {"separators": (",", ":")} if self.sparse else {"indent": 2}
        return write_text(json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, **layout), path, end="\n")

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            InputError: when the text is not JSON, or not of the format.
        """
        try:
            data = parse_json(text)
        except ValueError as error:
            raise InputError(f"expected {cls.noun} as JSON: {error}") from None
        return cls.from_dict(data)


def _scrub_texts(value: Value) -> None:
    """In place, also in the values inside; they are frozen for everybody else."""
    held = value.__dict__
    for name, one in held.items():
        if isinstance(one, Value):
            _scrub_texts(one)
        elif isinstance(one, (str, tuple, list, dict)):
            held[name] = _scrubbed(one)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str) and type(value) is str:
        return scrub_answer(value)
    if isinstance(value, Value):
        _scrub_texts(value)
    elif isinstance(value, tuple) and type(value) is tuple:
        clean = tuple(map(_scrubbed, value))
        return value if all(a is b for a, b in zip(clean, value, strict=True)) else clean
    elif isinstance(value, list):
        return [_scrubbed(one) for one in value]
    elif isinstance(value, dict):
        return {key: _scrubbed(one) for key, one in value.items()}
    return value


def write_text(text: str, path: str | Path | None, end: str = "") -> str:
    """The text; also written to ``path`` when one is given."""
    if path is not None:
        write_whole(path, text + end)
    return text
