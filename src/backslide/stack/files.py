"""Configuration files: a digest of the whole and, where the format is known, of every key."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from backslide.contracts.errors import MissingExtraError
from backslide.contracts.extras import needs
from backslide.contracts.files import read_bytes
from backslide.contracts.snapshot import ConfigFile
from backslide.stack.masking import digest, mask, secret_name

MOST_KEYS = 1000
"""Keys told one by one; a file with more is data rather than configuration."""
_ENV_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$")


def config_file(path: Path, shown: str, salt: str, show: Iterable[str] = ()) -> ConfigFile:
    """A file as it is written down under the name ``shown``."""
    try:
        content = read_bytes(path)
    except OSError as error:
        return ConfigFile(path=shown, digest=None, note=f"cannot be read: {error.strerror or error}")
    # Of the bytes' digest, because a file may hold nothing but a password.
    whole = digest(shown, sha256(content).hexdigest(), salt, secret=secret_name(path.stem))
    reader = _reader(path)
    if reader is None:
        return ConfigFile(path=shown, digest=whole)
    try:
        flat = dict(_flatten(reader(content.decode("utf-8-sig")), ""))
    except MissingExtraError as error:
        return ConfigFile(path=shown, digest=whole, note=f"keys are not compared: {error}")
    except Exception as error:  # parsers raise what they like, and their messages quote the file
        return ConfigFile(path=shown, digest=whole, note=f"keys are not compared: {type(error).__name__}")
    if len(flat) > MOST_KEYS:
        return ConfigFile(path=shown, digest=whole, note=f"keys are not compared: {len(flat)} of them")
    return ConfigFile(path=shown, digest=whole, keys={key: mask(key, value, salt, show) for key, value in flat.items()})


def _reader(path: Path) -> Callable[[str], Any] | None:
    if path.name.startswith(".env") or path.suffix == ".env":
        return _env
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".yaml": _yaml,
        ".yml": _yaml,
        ".ini": _ini,
        ".cfg": _ini,
    }
    return readers.get(path.suffix.lower())


def _yaml(text: str) -> Any:
    with needs("yaml", "comparing keys of YAML"):
        import yaml

    return yaml.safe_load(text)


def _ini(text: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _env(text: str) -> Any:
    matches = (_ENV_LINE.match(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: match[2].strip("\"'") for match in matches if match}


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flatten(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _flatten(item, f"{prefix}.{index}" if prefix else str(index))
    elif prefix:
        yield prefix, value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
