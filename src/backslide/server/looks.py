"""What pages and programs read: few rows, by index, of tables that each look keeps ready."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, case, desc, func, not_, or_, select

from backslide.report.documents.addresses import file_name
from backslide.store.aggregates import read_series
from backslide.store.desk import OF_MARK, State
from backslide.store.memory import IncidentEntry, Json, entry_of
from backslide.store.records import Records, utc_now
from backslide.store.tables import diagnoses, incident_details, incidents, looks, renderings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

PAGE = 50
"""Incidents of a page of the list."""
CANDIDATES = 400
"""Past incidents, the latest, that are compared with one."""
MOST_ALIKE = 5
KEPT_DAYS = 90
"""Age at which reports that are laid out are let go."""
KIND_WEIGHT, FEATURE_WEIGHT, STREAM_WEIGHT, MODEL_WEIGHT = 4, 2, 1, 1
ALIKE_FROM = 3
"""Weight at which a past incident counts as similar: the same model and stream alone are not enough."""

Which = Literal["open", "new", "acknowledged", "fixed", "false alarm", "over", "all"]
STATES: tuple[Which, ...] = ("open", "new", "acknowledged", "fixed", "false alarm", "over", "all")


@dataclass(frozen=True)
class ListedIncident:
    """An incident as lists show it."""

    model: str
    incident: str
    number: int
    level: str
    open: bool
    began: str
    known_on: str
    closed: str | None
    sentence: str
    kind: str | None
    features: tuple[str, ...]
    muted: str | None
    loss: Json | None
    owner: str | None
    acknowledged: datetime | None
    entry: IncidentEntry
    """What was said of it."""

    @property
    def state(self) -> State:
        """What people made of it."""
        return OF_MARK.get(self.entry.mark or "", "new" if self.acknowledged is None else "acknowledged")

    @property
    def pressing(self) -> bool:
        """Whether it asks for somebody."""
        return self.open and self.muted is None and self.entry.mark in (None, "fixed")


@dataclass(frozen=True)
class IncidentFilter:
    """Which incidents a list shows."""

    which: Which = "all"
    model: str = ""
    owner: str = ""
    text: str = ""
    page: int = 1


@dataclass(frozen=True)
class ListedModel:
    """A model as lists show it; without a look only its name is known."""

    model: str
    status: str = ""
    card: Json | None = None
    changed: datetime | None = None


class LookQueries(Records):
    """Queries of pages and programs, each one transaction."""

    def incidents(self, wish: IncidentFilter) -> tuple[list[ListedIncident], int]:
        """A page of incidents, those that ask for somebody first, and how many there are in all."""
        conditions = _conditions(wish)
        pressing = case((and_(*_PRESSING), 0), else_=1)
        alarm = case((incident_details.c.level == "alarm", 0), else_=1)
        order = (pressing, case((pressing == 0, alarm), else_=0), desc(incident_details.c.known_on), incidents.c.model)
        chosen = _listed().where(*conditions).order_by(*order).limit(PAGE).offset((wish.page - 1) * PAGE)
        counted = select(func.count()).select_from(_JOINED).where(*conditions)
        with self.transaction() as connection:  # both of one moment
            rows = connection.execute(chosen).all()
            return list(map(_incident, rows)), int(connection.execute(counted).scalar() or 0)

    def counts(self, model: str = "") -> dict[str, int]:
        """How many incidents there are of each state, of a model or of all."""
        sums = [func.sum(case((and_(*_which(name)), 1), else_=0)).label(name.replace(" ", "_")) for name in STATES]
        chosen = select(*sums).select_from(_JOINED)
        if model:
            chosen = chosen.where(incidents.c.model == model)
        return {name: int(value or 0) for name, value in zip(STATES, self.row(chosen), strict=True)}

    def owners(self) -> list[str]:
        """Everybody who owns an incident."""
        chosen = select(incidents.c.owner).where(incidents.c.owner.is_not(None)).distinct().limit(PAGE)
        return sorted(self.values(chosen))

    def incident(self, model: str, number: int) -> tuple[ListedIncident, Json] | None:
        """An incident and all that was published of it."""
        same = and_(incidents.c.model == model, incidents.c.number == number)
        row = self.row(_listed().add_columns(incident_details.c.data).where(same))
        return None if row is None else (_incident(row), row.data)

    def similar(
        self, to: Sequence[ListedIncident], most: int = MOST_ALIKE
    ) -> dict[tuple[str, str], list[ListedIncident]]:
        """Earlier incidents of the same kind, about the same columns, or of the same stream, the most alike first."""
        if not to:
            return {}
        models, kinds = {one.model for one in to}, {one.kind for one in to if one.kind}
        alike = or_(incidents.c.model.in_(models), incident_details.c.kind.in_(kinds))
        newest = max(one.known_on for one in to)
        chosen = _listed().where(alike, incident_details.c.known_on <= newest)
        past = list(map(_incident, self.rows(chosen.order_by(desc(incident_details.c.known_on)).limit(CANDIDATES))))
        return {(one.model, one.incident): _most_alike(one, past)[:most] for one in to}

    def models(self) -> list[ListedModel]:
        """The last look of every model, without its streams; those with an alarm first."""
        rows = self.rows(select(looks.c.model, looks.c.status, looks.c.card, looks.c.changed))
        rank = {"alarm": 0, "watch": 1}
        found = [ListedModel(*row) for row in rows]
        return sorted(found, key=lambda one: (rank.get(one.status, 2), one.model))

    def names(self) -> list[str]:
        """Models that were looked at."""
        return self.values(select(looks.c.model).order_by(looks.c.model))

    def card(self, model: str) -> Json | None:
        """What the list of models says of one."""
        return self.value(select(looks.c.card).where(looks.c.model == model))

    def name_of(self, slug: str, others: Iterable[str] = ()) -> str | None:
        """The model whose pages lie under this part of an address; ``others`` are models that nobody looked at yet."""
        return next((name for name in (*self.names(), *others) if file_name(name) == slug), None)

    def brief(self, model: str) -> tuple[str, Json] | None:
        """The book of the last look at a model and its answer, without points and incidents."""
        row = self.row(select(looks.c.book, looks.c.brief).where(looks.c.model == model))
        return None if row is None else (row.book, row.brief)

    def incidents_of(self, model: str) -> list[Json]:
        """Everything that was published of a model's incidents, the oldest first."""
        chosen = select(incident_details.c.data).where(incident_details.c.model == model)
        return self.values(chosen.order_by(incident_details.c.known_on))

    def published_incidents(self, model: str = "") -> list[tuple[ListedIncident, Json]]:
        """Incidents and all that was published of them, of a model or of all, the latest first."""
        chosen = _listed().add_columns(incident_details.c.data)
        if model:
            chosen = chosen.where(incidents.c.model == model)
        rows = self.rows(chosen.order_by(desc(incident_details.c.known_on), incidents.c.model))
        return [(_incident(row), row.data) for row in rows]

    def briefs(self) -> list[Json]:
        """The last answer of every model, without points and incidents."""
        return self.values(select(looks.c.brief).order_by(looks.c.model))

    def series(
        self, book: str, streams: Sequence[str], first: int | None = None, last: int | None = None
    ) -> dict[str, Json]:
        """Streams by period."""
        with self.transaction() as connection:
            return read_series(connection, book, streams, first, last)

    def diagnosis(self, model: str, incident: str) -> tuple[Json, datetime] | None:
        """Why, as the diagnosis of an alarm says in brief, and when it was made."""
        same = and_(diagnoses.c.model == model, diagnoses.c.incident == incident)
        row = self.row(select(diagnoses.c.brief, diagnoses.c.created).where(same))
        return None if row is None else (row.brief, row.created)

    def whole_diagnosis(self, model: str, incident: str) -> Json | None:
        """The whole answer of an alarm's diagnosis."""
        same = and_(diagnoses.c.model == model, diagnoses.c.incident == incident)
        return self.value(select(diagnoses.c.document).where(same))

    def rendering(self, digest: str) -> str | None:
        """An answer as it was laid out before."""
        return self.value(select(renderings.c.body).where(renderings.c.digest == digest))

    def keep_rendering(self, digest: str, body: str) -> None:
        """Keep it for the next reader; what nobody drew for long is drawn again."""
        self.write(renderings.delete().where(renderings.c.created < utc_now() - timedelta(days=KEPT_DAYS)))
        self.insert_once("renderings", {"digest": digest, "body": body, "created": utc_now()})

    def hush(self, model: str, incident: str, reason: str) -> None:
        """Show an incident as muted until the next look says so itself."""
        same = and_(incident_details.c.model == model, incident_details.c.incident == incident)
        self.write(incident_details.update().where(same).values(muted=reason))


_JOINED = incidents.join(
    incident_details,
    and_(incidents.c.model == incident_details.c.model, incidents.c.incident == incident_details.c.incident),
)
_PRESSING: tuple[ColumnElement[bool], ...] = (
    incident_details.c.open,
    incident_details.c.muted.is_(None),
    or_(incidents.c.mark.is_(None), incidents.c.mark == "fixed"),
)
_DETAILS = ("level", "open", "began", "known_on", "closed", "sentence", "kind", "features", "muted", "loss")
_OWN = ("model", "incident", "number", "owner", "acknowledged")
_SAID = ("mark", "note", "covers", "marked")


def _listed() -> Any:
    columns = [incidents.c[name] for name in (*_OWN, *_SAID)] + [incident_details.c[name] for name in _DETAILS]
    return select(*columns).select_from(_JOINED)


def _incident(row: Any) -> ListedIncident:
    values = {name: getattr(row, name) for name in (*_OWN, *_DETAILS)}
    return ListedIncident(**{**values, "features": tuple(row.features or ()), "entry": entry_of(row)})


def _which(which: Which) -> tuple[ColumnElement[bool], ...]:
    mark, seen = incidents.c.mark, incidents.c.acknowledged
    if which == "open":
        return _PRESSING
    if which == "over":
        return (not_(incident_details.c.open),)
    if which == "new":
        return (mark.is_(None), seen.is_(None))
    if which == "acknowledged":
        return (or_(mark == "known", and_(mark.is_(None), seen.is_not(None))),)
    if which == "all":
        return (incidents.c.number.is_not(None),)
    return (mark == {"fixed": "fixed", "false alarm": "false"}[which],)


def _conditions(wish: IncidentFilter) -> list[ColumnElement[bool]]:
    conditions = list(_which(wish.which))
    if wish.model:
        conditions.append(incidents.c.model == wish.model)
    if wish.owner:
        conditions.append(incidents.c.owner == wish.owner)
    for word in wish.text.split()[:8]:
        text = f"%{word.lower().replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        fields = (incident_details.c.sentence, incidents.c.model, incidents.c.note, incident_details.c.kind)
        conditions.append(or_(*(func.lower(one).like(text, escape="!") for one in fields)))
    return conditions


def _most_alike(one: ListedIncident, past: Sequence[ListedIncident]) -> list[ListedIncident]:
    weighed = []
    for other in past:
        if other.known_on >= one.known_on or (other.model, other.incident) == (one.model, one.incident):
            continue
        weight = KIND_WEIGHT * (one.kind is not None and other.kind == one.kind)
        weight += FEATURE_WEIGHT * len(set(one.features) & set(other.features))
        weight += STREAM_WEIGHT * (_stream(one) is not None and _stream(one) == _stream(other))
        weight += MODEL_WEIGHT * (other.model == one.model)
        if weight >= ALIKE_FROM:
            weighed.append((weight, other))
    # Of those equally alike one that somebody explained says more, then the latest.
    return [other for _, other in sorted(weighed, key=lambda pair: (pair[0], bool(pair[1].entry.note)), reverse=True)]


def _stream(one: ListedIncident) -> str | None:
    return None if one.loss is None else one.loss.get("words")
