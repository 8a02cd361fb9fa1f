"""[server] of backslide.toml: where it listens, which log it writes, which models it shows, and what it lets in."""

from __future__ import annotations

from pydantic import Field, field_validator

from backslide.contracts.validation import SettingsSection
from backslide.contracts.watch_settings import parse_duration


class ServerSettings(SettingsSection):
    """[server]: ``backslide serve``."""

    host: str = "127.0.0.1"
    """Address to listen at. Beyond this machine it needs a token to begin with, and a login for reading."""
    port: int = Field(default=8642, ge=0, le=65535)
    """0: any that is free."""
    names: tuple[str, ...] = ()
    """Host names under which browsers and clients reach the server, beside ``host`` and this machine's own; ``*``: any."""
    https: bool = False
    """Whether a proxy in front of the server speaks HTTPS: cookies are then sent over HTTPS alone, and reading needs a login."""
    require_login: bool = False
    """Whether reading needs a token or a session as well; always so beyond this machine, and with ``https``."""
    session_hours: float = Field(default=12.0, gt=0, le=720)
    log: str = "log"
    """Folder or object-store URI of the prediction log."""
    spool: str | None = None
    """Local folder of waiting lines; needed where ``log`` is a URI."""
    models: tuple[str, ...] = ()
    """Configurations (paths, globs) of the models that are watched; one that has none is shown with what its log tells."""
    every: str = "1h"
    """Time between two looks at every configured model; ``"never"`` leaves watching to others."""
    rollup_every: str = "1m"
    """Time between two rollups of the log."""
    max_body: float = Field(default=32.0, gt=0, le=1024)
    """Megabytes of a request."""
    max_records: int = Field(default=50_000, ge=1)
    """Records of a request that is not a stream."""
    max_requests: int = Field(default=256, ge=1)
    """Requests that may be at work at once; more are asked to come again (429)."""
    min_free_disk: float = Field(default=0.2, ge=0)
    """Gigabytes that must stay free where lines wait; with less, records are refused (507)."""
    job_minutes: float = Field(default=60.0, gt=0)
    """Longest time of one job."""
    job_memory: float = Field(default=4.0, gt=0)
    """Gigabytes that one job may take."""
    jobs: int = Field(default=1, ge=0, le=64)
    """Jobs at once in this process; 0: none, others do them."""

    @field_validator("every", "rollup_every")
    @classmethod
    def _known_duration(cls, text: str) -> str:
        if text != "never":
            parse_duration(text)
        return text
