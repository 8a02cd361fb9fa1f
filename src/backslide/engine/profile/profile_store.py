"""Profiles kept on disk by day: any two periods are compared by adding their days, without touching a row.

A folder of small files: ``profiles.json`` says what is counted (the plan with its edges, the columns and the problem), and
``days/2026-03-14.profile`` holds the profiles of one day, one for each model version and segment. A plain folder rather than a
Delta table: a day is written once and whole, a rename makes that atomic, and neither a transaction log nor an extra is needed to
read some kilobytes a day. The edges stand in ``profiles.json`` alone, or they would be most of each file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, reduce
from io import BytesIO
from operator import add
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.errors import InputError, SourceError
from backslide.contracts.files import parse_json, read_bytes, whole_file
from backslide.contracts.roles import Roles
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.profile.daily_profiles import ALL, UNDATED, DailyProfiles, ProfileKey
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile
from backslide.engine.roles.problem import Problem
from backslide.engine.times.time_range import TimeRanges

FORMAT = "backslide.profiles/1"
MANIFEST = "profiles.json"
_DAYS, _ENDING = "days", ".profile"
_MAGIC = b"BSDAYS1\n"
_DAY_NAME = re.compile(rf"^(\d{{4}}-\d{{2}}-\d{{2}}|{UNDATED})$")


@dataclass(frozen=True)
class ProfileManifest:
    """What the stored profiles count, and what must be known of the rows that are not there."""

    plan: Plan
    problem: Problem
    """``costs`` is not kept: what errors cost is read from the configuration."""
    schema: dict[str, pl.DataType]
    """Of the prepared window that was profiled."""
    kinds: dict[str, ColumnKind]
    """Of the user's columns."""
    source: str
    scales: dict[str, float] = field(default_factory=dict)
    """Sizes that take rows to tell, such as the mean absolute deviation of the labels."""

    @cached_property
    def digest(self) -> str:
        """Of the plan: profiles of another one do not add up with these."""
        text = json.dumps(self.plan.to_dict(), ensure_ascii=False, sort_keys=True)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON content; read back by :meth:`from_dict`."""
        problem = asdict(replace(self.problem, costs=None, roles=Roles()))
        problem["roles"] = self.problem.roles.model_dump(mode="json", include=set(Roles.model_fields))
        empty = BytesIO()
        pl.DataFrame(schema=self.schema).write_ipc(empty)
        return {
            "format": FORMAT,
            "plan": self.plan.to_dict(),
            "problem": problem,
            "schema": base64.b64encode(empty.getvalue()).decode("ascii"),
            "kinds": {column: str(kind) for column, kind in self.kinds.items()},
            "source": self.source,
            "scales": self.scales,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ProfileManifest:
        """The manifest that :meth:`to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        if content["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {content['format']}")
        problem = dict(content["problem"])
        problem |= {"classes": tuple(problem["classes"]), "features": tuple(problem["features"])}
        problem["roles"] = Roles.model_validate(problem["roles"])
        return cls(
            Plan.from_dict(content["plan"]),
            Problem(**problem),
            dict(pl.read_ipc(BytesIO(base64.b64decode(content["schema"], validate=True))).schema),
            {column: ColumnKind(kind) for column, kind in content["kinds"].items()},
            content["source"],
            content.get("scales", {}),
        )


def is_profile_store(folder: Path) -> bool:
    """Whether a folder holds stored profiles; what is no path, such as a long query, holds none."""
    try:
        return (folder / MANIFEST).is_file()
    except OSError:
        return False


class ProfileStore:
    """Profiles in a folder, by day, model version and segment."""

    def __init__(self, folder: Path, manifest: ProfileManifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._known: dict[str, DailyProfiles] = {}

    @classmethod
    def create(cls, folder: Path, manifest: ProfileManifest) -> ProfileStore:
        """An empty store in a folder that has none.

        Raises:
            InputError: the folder holds something else.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"expected a new or empty folder for stored profiles at {str(folder)!r}, found other files there"
            )
        folder.mkdir(parents=True, exist_ok=True)  # who is ended before the manifest stands leaves it empty
        with whole_file(folder / MANIFEST) as part:
            part.write_text(json.dumps(manifest.to_dict(), ensure_ascii=True), encoding="utf-8")
        return cls(folder, manifest)

    @classmethod
    def open(cls, folder: Path) -> ProfileStore:
        """The store that a folder holds.

        Raises:
            SourceError: there is none, or it cannot be read.
        """
        try:
            return cls(folder, ProfileManifest.from_dict(parse_json(read_bytes(folder / MANIFEST))))
        except OSError as error:
            raise SourceError(f"expected stored profiles in {str(folder)!r}: {error.strerror or error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, pl.exceptions.PolarsError) as error:
            words = (str(error).splitlines() or [""])[0]
            raise SourceError(
                f"{str(folder / MANIFEST)!r} is damaged ({words}); profile the rows again into a new folder"
            ) from None

    def days(self) -> list[str]:
        """Days with profiles (ISO) in their order, ``UNDATED`` last."""
        found = (file.name.removesuffix(_ENDING) for file in (self.folder / _DAYS).glob(f"*{_ENDING}"))
        return sorted(day for day in found if _DAY_NAME.match(day))

    def days_within(self, span: TimeRanges | None) -> list[str]:
        """Those of a period; all of them without one.

        Raises:
            SourceError: it cuts through a day, or holds none.
        """
        days = self.days()
        if span is not None:
            if any(moment.time().isoformat() != "00:00:00" for part in span.parts for moment in (part.start, part.end)):
                raise SourceError(
                    f"stored profiles hold whole days, and {span} cuts one; begin and end it at midnight UTC"
                )
            inside = [(part.start.date().isoformat(), part.end.date().isoformat()) for part in span.parts]
            days = [day for day in days if day != UNDATED and any(a <= day < b for a, b in inside)]
        if not days:
            where = "" if span is None else f" in {span}"
            known = [day for day in self.days() if day != UNDATED]
            there = f"; there are {known[0]} to {known[-1]}" if known else ""
            raise SourceError(f"the stored profiles in {str(self.folder)!r} hold no day{where}{there}")
        return days

    def write(self, profiles: DailyProfiles) -> list[str]:
        """Take the profiles of whole days, in the place of what was known of these days; returns the days.

        Raises:
            InputError: they were counted under another plan.
        """
        by_day: dict[str, list[tuple[ProfileKey, Profile]]] = {}
        for key, profile in profiles.items():
            if profile.plan != (self.manifest.plan if key.segment == ALL else self._of_segments):
                raise InputError("expected profiles counted under the plan of the store, got another plan")
            by_day.setdefault(key.day, []).append((key, profile))
        (self.folder / _DAYS).mkdir(exist_ok=True)
        for day, entries in by_day.items():
            content = {
                "plan": self.manifest.digest,
                "profiles": [
                    {"version": key.version, "segment": key.segment, **profile.counts()} for key, profile in entries
                ],
            }
            text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            self._known.pop(day, None)
            with whole_file(self._file(day)) as part:
                part.write_bytes(_MAGIC + zlib.compress(text.encode("utf-8", "surrogatepass"), 9))
        return sorted(by_day)

    def read(self, day: str) -> DailyProfiles:
        """Every profile of one day.

        Raises:
            SourceError: there is none, or it cannot be read.
        """
        if day not in self._known:
            self._known[day] = self._read(day)
        return self._known[day]

    def _read(self, day: str) -> DailyProfiles:
        file = self._file(day)
        try:
            data = read_bytes(file)
            if not data.startswith(_MAGIC):
                raise ValueError("no profiles of a day")
            content = parse_json(zlib.decompress(data[len(_MAGIC) :]).decode("utf-8", "surrogatepass"))
            if content["plan"] != self.manifest.digest:
                raise ValueError("counted under another plan")
            return {
                (key := ProfileKey(day, entry["version"], entry["segment"])): Profile.from_counts(
                    entry, self.manifest.plan if key.segment == ALL else self._of_segments
                )
                for entry in content["profiles"]
            }
        except OSError as error:
            raise SourceError(f"expected the profiles of {day} at {str(file)!r}: {error.strerror or error}") from None
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"{str(file)!r} is damaged ({error}); profile that day again") from None

    def by_day(self, days: Iterable[str], *, version: str | None = None, segment: str = ALL) -> dict[str, Profile]:
        """The profile of each day, over all model versions or of one; days without such rows are left out."""
        found = {}
        for day in days:
            parts = [
                profile
                for key, profile in self.read(day).items()
                if key.segment == segment and (version is None or key.version == version)
            ]
            if parts:
                found[day] = reduce(add, parts)
        return found

    def versions(self, days: Iterable[str]) -> tuple[str, ...]:
        """Model versions that were logged on some days."""
        return tuple(sorted({key.version for day in days for key in self.read(day) if key.version is not None}))

    @cached_property
    def _of_segments(self) -> Plan:
        """The plan of a segment's profile, which is not cut into segments again."""
        return replace(self.manifest.plan, segments={})

    def _file(self, day: str) -> Path:
        return self.folder / _DAYS / f"{day}{_ENDING}"


class MemoryProfiles(ProfileStore):
    """Profiles of one run, on no disk."""

    def __init__(self, manifest: ProfileManifest, profiles: DailyProfiles) -> None:
        super().__init__(Path(manifest.source), manifest)
        self._profiles = profiles

    def days(self) -> list[str]:
        """Days with profiles (ISO) in their order, ``UNDATED`` last."""
        return sorted({key.day for key in self._profiles})

    def read(self, day: str) -> DailyProfiles:
        """Every profile of one day."""
        return {key: profile for key, profile in self._profiles.items() if key.day == day}
