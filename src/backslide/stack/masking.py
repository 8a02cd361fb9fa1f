"""How settings are written down without giving them away.

A setting is a salted digest. Its value stands beside it only where its name was allowed, and never where name or value look
secret. Digests of secrets are cut to 16 bits: enough to see that one changed, too little to confirm a guess.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import pairwise

from backslide.contracts.snapshot import MaskedSetting

SALT_VARIABLE = "BACKSLIDE_SALT"
ROUNDS = 1000
"""Of PBKDF2: some half a millisecond per setting, which is nothing for hundreds and much for a dictionary."""
DIGITS, SECRET_DIGITS = 12, 4
HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"pass(w|phrase|code|$)|pwd|secret|token(?!i[sz])|api.?key|access.?key|private|credential|auth(?!or)|cookie|bearer|jwt"
    r"|dsn|conn(ection)?.?str|webhook|certificate|signing|encrypt|salt|([_.-]|^)(key|url|uri|pat|sas|login|user|username)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"[a-z][a-z0-9+.-]*://[^/\s@]+@|-----BEGIN|\b(AKIA|ASIA)[0-9A-Z]{12,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w+|\bglpat-[\w-]{16,}"
    r"|\b[sr]k[-_](live|test|proj|ant)?[-_]?[\w-]{16,}|\bxox[abeprs]-[\w-]{8,}|\beyJ[\w-]{8,}\.[\w-]{8,}|\bAIza[\w-]{20,}"
    r"|\bBearer\s+\S{8,}|\bAccountKey=\S+|\bhf_\w{16,}|\bnpm_\w{20,}|\bpypi-\w{16,}|\bSG\.[\w-]{16,}",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_ASSIGNED = re.compile(r"""(?P<name>[\w.-]+)(?P<mid>["']?\s*[:=]+\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;)}\]]+)""")
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)


def salt_of(salt: str | None) -> str:
    """The salt: as given, else from the environment, else none."""
    return salt if salt is not None else os.environ.get(SALT_VARIABLE, "")


def salt_mark(salt: str) -> str:
    """By which two snapshots know that they used the same salt; empty without one."""
    return _digest("salt", salt, "", SECRET_DIGITS * 2) if salt else ""


def secret_name(name: str) -> bool:
    """Whether a name looks like that of a secret; addresses count, because they carry credentials."""
    return bool(_SECRET_NAME.search(name))


def secret_value(value: str) -> bool:
    """Whether a value looks like a secret: credentials in an address, keys of known shapes, long opaque strings."""
    if _SECRET_VALUE.search(value):
        return True
    return any(_opaque(match.group()) for match in _OPAQUE.finditer(value))


def _opaque(word: str) -> bool:
    """Letters and digits without words in them: at least three changes between letters and digits in each 24."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
    return changes >= max(3, len(word) // 8)


def mask(name: str, value: str, salt: str, show: Iterable[str] = ()) -> MaskedSetting:
    """A setting as it is written down; ``show`` are patterns of names whose values may stand there."""
    secret = secret_name(name) or secret_value(value)
    shown = value if not secret and any(fnmatchcase(name.lower(), pattern.lower()) for pattern in show) else None
    return MaskedSetting(digest=digest(name, value, salt, secret=secret), value=shown, secret=secret)


def digest(name: str, value: str, salt: str, *, secret: bool) -> str:
    """Salted, slow and short."""
    return _digest(name, value, salt, SECRET_DIGITS if secret else DIGITS)


def _digest(name: str, value: str, salt: str, digits: int) -> str:
    salted = f"backslide.snapshot/1|{salt}|{name}".encode("utf-8", "surrogatepass")
    digest = hashlib.pbkdf2_hmac("sha256", value.encode("utf-8", "surrogatepass"), salted, ROUNDS)
    return digest.hex()[:digits]


def without_credentials(text: str) -> str:
    """Addresses without user and password."""
    return _CREDENTIALS.sub(r"\g<scheme>", text)


def scrub(text: str) -> str:
    """A line of source or of a message with whatever looks secret hidden."""
    text = _ASSIGNED.sub(_hide_assignment, without_credentials(text))
    text = _SECRET_VALUE.sub(HIDDEN, text)
    return _OPAQUE.sub(lambda match: HIDDEN if _opaque(match.group()) else match.group(), text)


def _hide_assignment(match: re.Match[str]) -> str:
    # Code reads secrets by name (``token = read()``); only what stands there literally is hidden.
    literal = match["value"][:1] in "\"'" or not re.search(r"[(\[]", match["value"])
    return f"{match['name']}{match['mid']}{HIDDEN}" if secret_name(match["name"]) and literal else match.group()
