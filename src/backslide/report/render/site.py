"""Watching as a folder of static pages: no script, no network, one file per model and incident."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.contracts.escape import cleaned
from backslide.contracts.files import write_whole
from backslide.report.documents.addresses import INDEX, REPORTS, Addresses
from backslide.report.documents.watch_site import incident_page, model_page, overview_page
from backslide.report.render.html import page_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backslide.contracts.watch import WatchReport
    from backslide.report.documents.page import Page

RECENT = 20
"""Incidents, the latest, whose pages each look writes anew: a mark may have come."""


def write_site(folder: Path, look: WatchReport, others: Sequence[WatchReport], base: Path) -> list[str]:
    """Write the pages of a look and the list of all models; returns the names of the files.

    Args:
        folder: where; made if need be, other files in it stay.
        look: the model that was looked at. Its pages are written anew, but those of old incidents that are over.
        others: the last looks of the other models. Their pages are written where there are none: their own looks keep them.
        base: the folder that the report files of ``look`` start from.
    """
    folder.mkdir(exist_ok=True)
    look, others = cleaned(look), [cleaned(one) for one in others if one.model != look.model]
    addresses = Addresses({key: name for one in (look, *others) for key, name in _reports(folder, one, base)})
    written = []

    def write(name: str, page: Callable[[], Page], *, anew: bool = True) -> None:
        if anew or not (folder / name).exists():
            write_whole(folder / name, page_html(page()))
            written.append(name)

    for one in (look, *others):
        recent = {i.id for i in one.incidents[-RECENT:]} | {i.id for i in one.incidents if i.open}
        for incident in one.incidents:
            anew = one is look and incident.id in recent
            page = partial(incident_page, one, incident.id, addresses)
            write(addresses.incident(one.model, incident.id), page, anew=anew)
        write(addresses.model(one.model), partial(model_page, one, addresses), anew=one is look)
    write(INDEX, partial(overview_page, [look, *others], addresses))
    return written


def _reports(folder: Path, look: WatchReport, base: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """Reports of diagnoses, copied beside the pages unless they lie there already."""
    for one in look.incidents:
        file = one.diagnosis.report if one.diagnosis is not None else None
        if file is None or Path(file).suffix != ".html":
            continue
        source, target = (base / file).resolve(), (folder / REPORTS / Path(file).name).resolve()
        if source != target and source.is_file():
            target.parent.mkdir(exist_ok=True)
            if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
                shutil.copyfile(source, target)
        if target.is_file():
            yield (look.model, file), target.name
