"""The composition root of retraining: rows, recipe and diagnosis in, one answer out.

Read it as a straight line: settings -> diagnosis -> history -> candidates -> features -> gate -> curve, life, policies -> answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backslide.case import Case
from backslide.contracts.cause import Cause
from backslide.contracts.config import Settings, is_auto
from backslide.contracts.countdown import Countdown
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import ConfigError, InputError
from backslide.contracts.files import read_text
from backslide.contracts.retrain import FeatureRank, Policies, Retrain
from backslide.contracts.roles import Roles
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.jobs.prelude import Progress, load_reference_model, merge_settings, silent, window_sources
from backslide.jobs.repair_or_retrain import fixable, repair_rows
from backslide.jobs.windows import find_windows
from backslide.models.model import Model
from backslide.playbook.verify.score_direction import check_scores
from backslide.retraining import sentences
from backslide.retraining.backtest import (
    Backtest,
    CandidateResult,
    best_first,
    folds_of,
    signature,
    try_plan,
)
from backslide.retraining.choice import Choice, choose
from backslide.retraining.features import leaks, ranking, with_gains, without_unstable
from backslide.retraining.gain_onset import choose_since
from backslide.retraining.history import History, history, moment, quality
from backslide.retraining.learning import learning_curve, life
from backslide.retraining.mlflow_registry import ready, register
from backslide.retraining.policies import simulate
from backslide.retraining.recalibration import recalibration
from backslide.retraining.recipe import recipe_of
from backslide.retraining.registry import final, keep
from backslide.retraining.robust_inputs import SteadyInputs
from backslide.retraining.score_evidence import choose_by_scores, headline_share
from backslide.retraining.windows import plans
from backslide.stats.threads import one_blas_thread

GAINS = ("headline", "stretches")
"""Lines of the gate that ask whether anything is gained."""


@one_blas_thread()
@columnar_copies()
def retrain(
    reference: Any = None,
    current: Any = None,
    *,
    roles: Roles | None = None,
    recipe: Any = None,
    reference_model: Any = None,
    diagnosis: Diagnosis | str | Path | None = None,
    repaired: bool | None = None,
    registry: str | Path | None = None,
    task: str | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    name: str = "model",
    settings: Settings | None = None,
    trusted: bool = False,
    progress: Progress | None = None,
) -> Retrain:
    """Train again on later rows, and prove that it is worth it, or refuse because a repair is what is needed.

    ``reference`` and ``current`` are labelled logs as for ``diagnose``. ``recipe`` is an unfitted estimator, or a function of
    (frame, labels, weights) that returns a fitted model, or ``"module:function"``; without it ``reference_model`` is cloned
    without what it has learned. ``diagnosis`` is one, or the path of a stored one; without it, one is made as ``settings`` say.
    ``repaired`` goes on with repaired rows where a repair fixes the first cause. A promoted candidate is written to the folder
    ``registry``. Arguments win over ``settings``.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    settings = merge_settings(
        settings,
        roles=roles,
        name=name,
        trusted=trusted,
        task=task,
        metric=metric,
        min_effect=min_effect,
        retrain={
            "diagnosis": str(diagnosis) if isinstance(diagnosis, (str, Path)) else None,
            "repaired": repaired,
            "registry": None if registry is None else str(registry),
        },
    )
    if settings.model.label is None:
        raise ConfigError("retraining needs labels: name their column under [model] label")
    if settings.retrain.mlflow is not None:
        ready(trusted=settings.artifacts.trusted)
    champion = load_reference_model(settings, reference_model)
    reference, current = window_sources(settings, reference, current)
    if is_auto(current):
        windows = find_windows(reference, settings)
        reference, current = windows.reference, windows.current
    say = progress or silent
    stored = diagnosis if isinstance(diagnosis, Diagnosis) else None
    diagnosed = _diagnosis(reference, current, stored, champion, settings, say)
    say("opening both windows")
    sampled = _with_rows(settings)
    case = Case(open_windows(reference, current, sampled), sampled, champion)
    check_scores(case)
    return _retrain_case(case, recipe, champion, diagnosed, settings, say)


def _diagnosis(
    reference: Any, current: Any, diagnosis: Diagnosis | None, champion: Model | None, settings: Settings, say: Progress
) -> Diagnosis | None:
    policy = settings.retrain
    if diagnosis is not None or (not policy.diagnose and policy.diagnosis is None):
        return diagnosis
    if policy.diagnosis is not None:
        path = settings.base / policy.diagnosis
        try:
            return Diagnosis.from_json(read_text(path))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"[retrain] diagnosis: {path} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from None
    say("looking for the cause first")
    return diagnose(reference, current, settings=settings, name=settings.model.name, reference_model=champion)


def _with_rows(settings: Settings) -> Settings:
    """The sample large enough for the largest training window."""
    rows = max(settings.engine.sample_rows, settings.retrain.max_rows)
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"sample_rows": rows})})


@dataclass(frozen=True)
class Search:
    """Everything that the answer is made of."""

    bench: Backtest
    tried: tuple[CandidateResult, ...]
    choice: Choice
    ranked: tuple[FeatureRank, ...]
    cause: Cause | None
    notes: tuple[str, ...]


def _retrain_case(
    case: Case, recipe: Any, champion: Model | None, diagnosed: Diagnosis | None, settings: Settings, say: Progress
) -> Retrain:
    policy, cause, notes = settings.retrain, fixable(diagnosed), list(case.warnings)
    h = history(case)
    if cause is not None and policy.repaired:
        h, note = _with_repair(case, champion, say)
        notes.append(note)
    notes += h.notes
    h = h.since(None if diagnosed is None or diagnosed.onset is None else diagnosed.onset.at)
    chosen = recipe if recipe is not None else policy.recipe
    training = recipe_of(chosen, champion, h, base=settings.base, trusted=settings.artifacts.trusted)
    always = leaks(h)
    if always:
        notes.append(
            f"{', '.join(always)} predicts the label nearly without error, far better than what was "
            "served: it was not known then, "
            "so no candidate sees it"
        )
    bench = Backtest(
        h, training, folds_of(h, policy.folds), case.metric, policy.max_rows, settings.engine.seed, always, say
    )
    refused = cause is not None and not policy.repaired
    search = _search_plans(bench, settings, champion, cause, tuple(notes), thorough=not refused)
    return _answer(search, settings, refused=refused)


def _with_repair(case: Case, champion: Model | None, say: Progress) -> tuple[History, str]:
    """The history with the current rows repaired, and the champion's answers to those."""
    say("repairing the rows")
    mended = repair_rows(case, say)
    h = history(case, mended.frame)
    if champion is not None:
        h = h.with_rows(h.frame, case.answered(champion, h.frame).outcomes)
    sentence = (
        f"current rows were repaired first: {', '.join(mended.features)}"
        if mended.features
        else "no row had to be repaired"
    )
    return h, sentence + (
        "" if champion is None else "; the champion is the saved model on these rows, not what was served"
    )


def _search_plans(
    bench: Backtest,
    settings: Settings,
    champion: Model | None,
    cause: Cause | None,
    notes: tuple[str, ...],
    *,
    thorough: bool,
) -> Search:
    policy = settings.retrain
    steady = SteadyInputs(fixed=bench.always) if bench.always else None
    tried: list[CandidateResult] = []
    signatures: dict[tuple[bytes, ...], str] = {}
    every = plans(policy, bench.history)
    if "recalibrated" in policy.windows and (kept := recalibration(champion, bench.recipe, bench.history)) is not None:
        every.append(kept)
    countdown = Countdown(len(every))
    for number, plan in enumerate(every):
        bench.say(f"backtest {countdown.words(number)}: {plan.name}")
        same = signatures.setdefault(signature(bench, plan), plan.name)
        if same != plan.name:
            tried.append(CandidateResult(plan, why_not=f"here the same as {same!r}"))
        else:
            tried.append(try_plan(bench, plan if plan.recipe else replace(plan, steady=steady)))
    ordered = best_first(tried, bench.metric)
    if not ordered:
        reasons = "; ".join(dict.fromkeys(t.why_not for t in tried if t.why_not))
        raise InputError(f"no candidate could be trained and judged: {reasons}")
    ranked: tuple[FeatureRank, ...] = ()
    trained = [one for one in ordered if one.plan.recipe is None]
    if thorough and policy.features and trained:
        bench.say("features: drift and harm")
        ranked = ranking(bench, trained[0])
        changed = without_unstable(bench, trained[0], ranked)
        ranked = with_gains(bench, trained[0], ranked, changed)
        tried += changed
    bench.say("the gate")
    choice = choose(bench, tried, settings.gate, share=headline_share(bench, tried, settings.gate))
    unshown = any(line.passed is False for line in choice.judged.lines if line.kind in GAINS)
    scored = choose_by_scores(bench, tried, settings.gate) if unshown and not choice.promoted else None
    if scored is not None:
        choice = replace(scored, gates=choice.gates | scored.gates, no_better=choice.no_better)
    since = choose_since(bench, tried, settings.gate) if unshown and not choice.promoted else None
    if since is None:
        return Search(bench, tuple(tried), choice, ranked, cause, notes)
    began = moment(bench.history, since[0].folds[0].origin)
    note = f"gains are those since {began}: before, candidates gained less, or lost"
    return Search(*since, ranked, cause, (*notes, note))


def _answer(search: Search, settings: Settings, *, refused: bool) -> Retrain:
    bench, policy = search.bench, settings.retrain
    best = search.choice.best
    curve = ageing = None
    policies: Policies | None = None
    if not refused:
        if policy.curve:
            bench.say("what more labels would be worth")
            curve, ageing = learning_curve(bench, best), life(bench, best)
        if policy.policies:
            bench.say("when to train again")
            policies = simulate(bench, best.plan)
    answer = sentences.answer(bench, search.tried, search.choice, settings, search.cause if refused else None)
    answer = answer.model_copy(
        update={
            "features": search.ranked,
            "curve": curve,
            "life": ageing,
            "policies": policies,
            "quality": quality(bench.history),
        }
    )
    answer = sentences.with_notes(answer, search.notes)
    answer = answer.model_copy(update={"evidence": sentences.charts(answer)})
    return _publish(bench, best, answer, settings) if search.choice.promoted and not refused else answer


def _publish(bench: Backtest, best: CandidateResult, answer: Retrain, settings: Settings) -> Retrain:
    """Written to the registries that are configured."""
    policy, trusted = settings.retrain, settings.artifacts.trusted
    if policy.registry is None and policy.mlflow is None:
        return answer
    bench.say("writing the artefact")
    final_model = final(bench, best)
    where: dict[str, str] = {}
    if policy.registry is not None:
        where["version"] = str(keep(bench, final_model, answer, settings.base / policy.registry, trusted=trusted))
    if policy.mlflow is not None:
        where["registered"] = register(final_model.model.artefact, policy.mlflow, final_model.lineage, trusted=trusted)
    return answer.model_copy(update=where)
