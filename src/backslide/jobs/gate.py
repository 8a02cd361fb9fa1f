"""The gate by itself: two given artefacts (or two logged answers) on the labelled current rows."""

from __future__ import annotations

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.gate import Gate
from backslide.jobs.prelude import Progress, load_models, silent, window_sources
from backslide.jobs.shadow import traffic_inputs
from backslide.playbook.shadow.traffic import open_traffic
from backslide.retraining.gate import judge
from backslide.retraining.limits import limits


def gate_config(settings: Settings, *, progress: Progress | None = None) -> Gate:
    """Compare ``reference_model`` with ``current_model`` (without it: with what was served) under ``[gate]``.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    if settings.model.label is None:
        raise ConfigError("the gate needs labels of the current rows: name their column under [model] label")
    models = load_models(settings)
    say = progress or silent
    say("opening the rows")
    traffic = open_traffic(*window_sources(settings), settings, *models)
    case = traffic.case
    say("judging every requirement")
    judgement = judge(
        case,
        traffic.arms,
        settings.gate,
        names=(traffic.old, traffic.new),
        limits=limits(*models, case.current.sample, settings.gate, settings.base),
    )
    labelled = min(int(k.sum()) for k in traffic.arms.known())
    return Gate(
        model=settings.model.name,
        champion=traffic.old,
        challenger=traffic.new,
        verdict=judgement.verdict,
        summary=judgement.summary,
        reason=judgement.reason,
        lines=judgement.lines,
        policy=settings.gate,
        inputs=traffic_inputs(traffic, labelled),
    )
