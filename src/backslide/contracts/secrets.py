"""The one scrubber: what opens something is taken out of every text that leaves: errors, logs, state, messages, answers.

Two ways, because neither is enough: what is known to be secret, from the addresses of the configuration and the environment
(:func:`remember`), is replaced wherever it stands, however a library words its error; and what looks like a credential is
replaced even where nobody named it before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
LEAST = 5
"""Characters from which a known secret is replaced wherever it stands: a shorter one is part of too many words."""
LONGEST = 20_000
"""Characters beyond which a text of an answer is packed rows or a picture, in which letters look like anything."""

_SECRET_KEY = (
    r"[\w.%-]*(?:pass|pwd|secret|token|sig\b|signature|credential|sas\b|auth|api[_.-]?key|access[_.-]?key|account[_.-]?key"
    r"|(?<![a-z])key\b)[\w.%-]*"
)
_SECRET_KEY_TEXT = (
    r"(?:\w*(?:password|passwd|passphrase|secret|pwd)\w*|\w*_?token|sig|signature|sas|authorization"
    r"|(?:api|access|account)[_-]?key)"
)
VARIABLE = re.compile(r"\$\{(\w+)\}")
PASSWORD = re.compile(r"(://[^:/@#?\s]*:)((?!\d+(?:[/#?]|$))\S*)(@)")
"""Greedy, so that one with signs that should have been escaped is not shown in part."""
_TOKEN_AS_USER = re.compile(r"((?:git\+)?https?://)[^/@\s]+@", re.IGNORECASE)
_QUERY = re.compile(rf"([?&;]{_SECRET_KEY}=)[^&#;\s\"'`<>]+", re.IGNORECASE)
_ASSIGNMENT = re.compile(rf"\b({_SECRET_KEY_TEXT}\s?=\s?)(\"[^\"]*\"|'[^']*'|[^\s,;&)\]]+)", re.IGNORECASE)
_HOOK = re.compile(
    r"(https?://(?:hooks\.slack\.com/|[\w.]*discord(?:app)?\.com/api/webhooks/|[\w.-]*webhook\.office\.com/"
    r"|outlook\.office\.com/webhook|api\.telegram\.org/bot))[^\s\"'<>]*",
    re.IGNORECASE,
)
_PLAIN_SCHEMES = (
    "file|s3a?|gs|gcs|azure|az|abfss?|adl|hf|delta|https?|git\\+https?|ssh|git|ftps?|models|runs|mlflow(?:-artifacts)?|dbfs"
    "|sqlite|postgres(?:ql)?|mysql|mariadb|oracle|mssql|duckdb|snowflake|bigquery|redshift|cockroachdb|trino|databricks"
    "|clickhouse|scheme|env"
)
_MESSENGER = re.compile(
    rf"(?<![\w+.-])(?!(?:{_PLAIN_SCHEMES})(?:\+\w+)?:)([a-z][a-z0-9+.-]*://)(?![^\s/@]*:\*\*\*@)[^\s\"'<>)]+",
    re.IGNORECASE,
)
"""Addresses of receivers: their tokens stand anywhere, so nothing behind the scheme is shown."""
_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|\bAIza[\w-]{30,}|\bBearer\s+[\w.~+/-]{8,}=*|\bAccountKey=[^\s;\"']+"
    r"|\bbsl_[\w-]{20,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{20,}|\bpypi-[\w-]{16,}|\bSG\.[\w-]{16,}|\bsk-(?:live|test|proj|ant)-[\w-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END|$)"
)
_known: set[str] = set()


def remember(text: str, *, receiver: bool = False) -> None:
    """Take note of what opens an address: from now on no text shows it.

    ``receiver`` is an address of a messenger, of which every part may be a token.
    """
    for name in VARIABLE.findall(text):
        _add(os.environ.get(name, ""))
    if text.startswith("env:"):
        return remember(os.environ.get(text.removeprefix("env:"), ""), receiver=receiver)
    if "://" not in text:
        return None
    for match in PASSWORD.finditer(text):
        if not VARIABLE.fullmatch(match[2]):
            _add(match[2])
    for match in _QUERY.finditer(text):
        _add(match[0].partition("=")[2])
    if receiver or _MESSENGER.fullmatch(text):
        for part in re.split(r"[/:@?&=#]+", text.partition("://")[2]):
            if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}|localhost|[\d.]+", part):  # a host is no secret
                _add(part)
    return None


def _add(secret: str) -> None:
    for one in (secret, unquote(secret)):
        if len(one) >= LEAST:
            _known.add(one)


def remember_settings(settings: Any, *, receiver: bool = False) -> None:
    """The same for every text in parsed TOML."""
    if isinstance(settings, str):
        remember(settings, receiver=receiver)
    elif isinstance(settings, Mapping):
        for key, value in settings.items():
            remember_settings(value, receiver=receiver or key == "alerts")
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            remember_settings(value, receiver=receiver)


def scrub_address(text: str) -> str:
    """A source as it may be shown: addresses without what opens them. ``${NAME}`` may be shown."""
    return _without_known(_addresses(text)) if "://" in text or _known else text


def scrub(text: str) -> str:
    """A text of ours for people or logs without secrets: also ``password=...`` as drivers write it."""
    return _ASSIGNMENT.sub(_hide_value, scrub_answer(text))


def scrub_answer(text: str) -> str:
    """A text within an answer, which may quote data: only what is surely a credential is replaced."""
    if len(text) > LONGEST:
        return text
    return _SHAPES.sub(HIDDEN, scrub_address(text))


def _addresses(text: str) -> str:
    text = PASSWORD.sub(_mask_password, text)
    text = _TOKEN_AS_USER.sub(rf"\g<1>{HIDDEN}@", text)
    text = _QUERY.sub(rf"\g<1>{HIDDEN}", text)
    text = _HOOK.sub(rf"\g<1>{HIDDEN}", text)
    return _MESSENGER.sub(rf"\g<1>{HIDDEN}", text)


def _without_known(text: str) -> str:
    for secret in sorted((one for one in tuple(_known) if one in text), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _mask_password(match: re.Match[str]) -> str:
    return match[0] if VARIABLE.fullmatch(match[2]) else f"{match[1]}{HIDDEN}@"


def _hide_value(match: re.Match[str]) -> str:
    return match[0] if match[2].startswith("***") else f"{match[1]}{HIDDEN}"


def scrubbed(value: Any) -> Any:
    """Texts within JSON without secrets; keys stay, for others read by them."""
    if isinstance(value, str):
        return scrub_answer(value)
    if isinstance(value, Mapping):
        return {key: scrubbed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrubbed(one) for one in value]
    return value
