"""Who may do what: tokens with scopes, sessions of browsers, and the audit log.

Of a secret only the SHA-256 is kept. Secrets are 256 random bits, so that a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from backslide.contracts.errors import ConfigError, did_you_mean
from backslide.contracts.secrets import scrub, scrubbed
from backslide.store.memory import Json
from backslide.store.records import Records, named_table, utc_now

Scope = Literal["read", "ingest", "operate", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "ingest", "operate", "admin")
"""See pages and query; write records; act on incidents and start jobs; manage access and trust. ``admin`` holds all of them,
``operate`` holds ``read``."""
HOLDS: dict[str, frozenset[str]] = {
    "read": frozenset({"read"}),
    "ingest": frozenset({"ingest"}),
    "operate": frozenset({"operate", "read"}),
    "admin": frozenset(SCOPES),
}
PREFIX = "bsl_"
"""By which a secret of ours is known to scanners of repositories."""
REMEMBERED_SECONDS = 60
"""How fine it is noted when a token was last used."""
MOST_ENTRIES = 500
LONGEST_DAYS = 3650


@dataclass(frozen=True)
class Token:
    """A token without its secret."""

    token: str
    name: str
    scopes: tuple[str, ...]
    author: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    used: datetime | None = None

    @property
    def rights(self) -> frozenset[str]:
        """Every scope that its scopes hold."""
        return frozenset().union(*(HOLDS[scope] for scope in self.scopes if scope in HOLDS))

    @property
    def live(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked is None and (self.expires is None or self.expires > utc_now())


@dataclass(frozen=True)
class Session:
    """A browser that is logged in."""

    token: Token
    csrf: str
    """What every form of this session repeats."""
    expires: datetime


class Accounts(Records):
    """Tokens, sessions and the audit log of a store."""

    def create_token(
        self, name: str, scopes: tuple[str, ...], author: str, *, days: float | None = None
    ) -> tuple[Token, str]:
        """A new token and its secret, which is never shown again.

        Raises:
            ConfigError: no name, or no such scope.
        """
        for scope in scopes:
            if scope not in SCOPES:
                raise ConfigError(
                    f"expected a scope of {', '.join(SCOPES)}, got {scope!r}{did_you_mean(scope, SCOPES)}"
                )
        if not name.strip() or not scopes:
            raise ConfigError("a token needs a name and a scope")
        if days is not None and not 0 < days <= LONGEST_DAYS:
            raise ConfigError(f"a token lasts for more than 0 and at most {LONGEST_DAYS} days, not {days:g}")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = utc_now()
        expires = None if days is None else now + timedelta(days=days)
        token = Token(secrets.token_hex(8), name.strip()[:200], tuple(dict.fromkeys(scopes)), author, now, expires)
        row = {**asdict(token), "scopes": list(token.scopes), "digest": _digest(secret)}
        self.insert("tokens", **row)
        self.note(author, "create token", token.name, token=token.token, scopes=list(token.scopes))
        return token, secret

    def tokens(self) -> list[Token]:
        """All of them, the oldest first."""
        return list(map(_token, self.where("tokens", "created")))

    def revoke(self, name: str, author: str) -> int:
        """Revoke every live token of a name or an id, and end its sessions; returns how many there were."""
        table, sessions = named_table("tokens"), named_table("sessions")
        chosen = [one for one in self.tokens() if name in (one.token, one.name) and one.revoked is None]
        ids = [one.token for one in chosen]
        with self.transaction() as connection:
            connection.execute(table.update().where(table.c.token.in_(ids)).values(revoked=utc_now()))
            connection.execute(sessions.delete().where(sessions.c.token.in_(ids)))
        for one in chosen:
            self.note(author, "revoke token", one.name, token=one.token)
        return len(chosen)

    def find(self, secret: str) -> Token | None:
        """The live token of a secret; None where there is none."""
        table = named_table("tokens")
        with self.transaction() as connection:
            row = connection.execute(table.select().where(table.c.digest == _digest(secret))).first()
            token = None if row is None else _token(row)
            if token is None or not token.live:
                return None
            now = utc_now()
            if token.used is None or (now - token.used).total_seconds() > REMEMBERED_SECONDS:
                connection.execute(table.update().where(table.c.token == token.token).values(used=now))
        return token

    def protected(self) -> bool:
        """Whether any token opens anything."""
        return any(one.live for one in self.tokens())

    def log_in(self, secret: str, hours: float) -> tuple[Session, str] | None:
        """A new session and the secret of its cookie; None where the token's secret opens nothing."""
        token = self.find(secret)
        if token is None:
            return None
        cookie, now = secrets.token_urlsafe(32), utc_now()
        session = Session(token, secrets.token_urlsafe(32), now + timedelta(hours=hours))
        table = named_table("sessions")
        with self.transaction() as connection:
            connection.execute(table.delete().where(table.c.expires < now))
            values = {"digest": _digest(cookie), "token": token.token, "csrf": session.csrf}
            connection.execute(table.insert().values(**values, created=now, expires=session.expires))
        self.note(token.name, "log in", token.name, token=token.token)
        return session, cookie

    def session(self, cookie: str) -> Session | None:
        """The live session of a cookie; None where it is over, or its token is."""
        sessions, tokens = named_table("sessions"), named_table("tokens")
        with self.transaction() as connection:
            chosen = sessions.select().where(sessions.c.digest == _digest(cookie), sessions.c.expires > utc_now())
            row = connection.execute(chosen).first()
            if row is None:
                return None
            owner = connection.execute(tokens.select().where(tokens.c.token == row.token)).first()
        token = None if owner is None else _token(owner)
        return None if token is None or not token.live else Session(token, row.csrf, row.expires)

    def log_out(self, cookie: str) -> None:
        """End a session."""
        self.delete("sessions", digest=_digest(cookie))

    def note(self, actor: str, action: str, subject: str, **detail: Any) -> None:
        """Write into the audit log."""
        about = {"subject": scrub(subject), "detail": scrubbed(detail) or None}
        row = {"at": utc_now(), "actor": actor, "action": action, **about}
        self.insert("audit", **row)

    def audit(self, *, before: int | None = None, limit: int = MOST_ENTRIES) -> list[Json]:
        """Entries of the audit log, the newest first; ``before``: only those with a smaller id."""
        table = named_table("audit")
        chosen = table.select().order_by(table.c.id.desc()).limit(min(limit, MOST_ENTRIES))
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        return [dict(row._mapping) for row in self.rows(chosen)]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _token(row: Any) -> Token:
    return Token(row.token, row.name, tuple(row.scopes), row.author, row.created, row.expires, row.revoked, row.used)
