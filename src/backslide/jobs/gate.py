"""The gate by itself: two given artefacts (or two logged answers) on the labelled current rows."""

from __future__ import annotations

from typing import Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.gate import Gate
from backslide.contracts.roles import Roles
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.jobs.prelude import Progress, load_models, merge_settings, silent, window_sources
from backslide.jobs.shadow import traffic_inputs
from backslide.playbook.shadow.traffic import open_traffic
from backslide.retraining.gate import judge
from backslide.retraining.limits import limits
from backslide.stats.threads import one_blas_thread


@one_blas_thread()
@columnar_copies()
def gate(
    current: Any = None,
    reference: Any = None,
    *,
    roles: Roles | None = None,
    reference_model: Any = None,
    current_model: Any = None,
    task: str | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    name: str = "model",
    settings: Settings | None = None,
    trusted: bool = False,
    progress: Progress | None = None,
) -> Gate:
    """Whether ``current_model`` (without it: what was served) may take over from ``reference_model``, on labelled rows.

    ``current`` are the labelled rows, ``reference`` (optional) an earlier window; tables, paths or time ranges as for
    ``diagnose``. The requirements are ``[gate]`` of ``settings``. Arguments win over ``settings``.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    settings = merge_settings(
        settings, roles=roles, name=name, trusted=trusted, task=task, metric=metric, min_effect=min_effect
    )
    if settings.model.label is None:
        raise ConfigError("the gate needs labels of the current rows: name their column under [model] label")
    models = load_models(settings, reference_model, current_model)
    say = progress or silent
    say("opening the rows")
    traffic = open_traffic(*window_sources(settings, reference, current), settings, *models)
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
    return judgement.published(settings, traffic.old, traffic.new, traffic_inputs(traffic, labelled))
