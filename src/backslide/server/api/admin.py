"""Administration: tokens, the audit log, model files that may be loaded."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from backslide.server.api.common import Administrator, Entry, Moment, Parts
from backslide.server.body import PlainText
from backslide.server.jobs import model_file
from backslide.server.problems import ProblemError, problem_responses
from backslide.store.accounts import Scope

router = APIRouter(
    prefix="/api/v1", tags=["administration"], responses=problem_responses(400, 401, 403, 404, 422, 429, 503)
)


class TokenRequest(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[PlainText, Field(min_length=1, max_length=200, pattern=r"\S")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    days: Annotated[float, Field(gt=0, le=3650)] | None = None


class TokenEntry(Entry):
    """A token without its secret."""

    token: str
    name: str
    scopes: list[str]
    author: str
    created: Moment
    expires: Moment | None
    revoked: Moment | None
    used: Moment | None


class NewToken(TokenEntry):
    """A token with its secret, which is shown this once."""

    secret: str


class TokenList(BaseModel):
    """The oldest first."""

    tokens: list[TokenEntry]


class AuditEntry(Entry):
    """Who changed what, and when."""

    id: int
    at: Moment
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] | None


class AuditList(BaseModel):
    """The newest first."""

    entries: list[AuditEntry]


class FileRequest(BaseModel):
    """A model file on the server."""

    model_config = ConfigDict(extra="forbid")
    path: Annotated[PlainText, Field(min_length=1, max_length=1000)]


class FileEntry(Entry):
    """A model file that may be loaded, by the digest of its contents."""

    digest: str
    path: str
    author: str
    created: Moment


class FileList(BaseModel):
    """The newest first."""

    artefacts: list[FileEntry]


@router.get("/tokens")
def list_tokens(context: Parts, _: Administrator) -> TokenList:
    """Tokens without their secrets."""
    return TokenList.model_validate({"tokens": context.accounts.tokens()})


@router.post("/tokens", status_code=201)
def create_token(context: Parts, caller: Administrator, request: TokenRequest) -> NewToken:
    """Make a token; its secret is shown this once."""
    token, secret = context.accounts.create_token(request.name, tuple(request.scopes), caller.name, days=request.days)
    return NewToken.model_validate({**asdict(token), "secret": secret})


@router.delete("/tokens/{token}")
def revoke_token(
    context: Parts, caller: Administrator, token: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
) -> TokenList:
    """Revoke a token and end its sessions."""
    if not context.accounts.revoke(token, caller.name):
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no live token {token!r}")
    return TokenList.model_validate({"tokens": [one for one in context.accounts.tokens() if one.token == token]})


@router.get("/audit")
def read_audit(
    context: Parts,
    _: Administrator,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only entries with a smaller id.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditList:
    """The audit log, the newest entry first."""
    return AuditList.model_validate({"entries": context.accounts.audit(before=before, limit=limit)})


@router.get("/artefacts")
def list_artefacts(context: Parts, _: Administrator) -> FileList:
    """Model files that may be loaded."""
    return FileList.model_validate({"artefacts": context.files.entries()})


@router.post("/artefacts", status_code=201)
def trust_artefact(context: Parts, caller: Administrator, request: FileRequest) -> FileList:
    """Vouch for a model file: loading one may run the code in it. Other contents under the same name are not trusted."""
    path, digest = model_file(context, request.path)
    context.files.trust(digest, str(path), caller.name)
    context.accounts.note(caller.name, "trust artefact", str(path), digest=digest)
    return list_artefacts(context, caller)


@router.delete("/artefacts/{digest}")
def distrust_artefact(
    context: Parts, caller: Administrator, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> FileList:
    """Trust a model file no longer."""
    if not context.files.distrust(digest):
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no trusted model file {digest!r}")
    context.accounts.note(caller.name, "distrust artefact", digest)
    return list_artefacts(context, caller)
