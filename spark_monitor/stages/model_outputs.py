"""How a model ranked, and which classes it and the labels named, in a problem's windows and those before: one query for all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pyspark.sql import functions as F

from spark_monitor.diagnosis.episodes import Windows
from spark_monitor.diagnosis.falls import Cause, Score, mean
from spark_monitor.diagnosis.groups import FAIL, WHOLE
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey
from spark_monitor.diagnosis.model_outputs import ModelOutputs, class_causes, name_reversal, reversal, reversal_cause
from spark_monitor.diagnosis.problems import Problem, is_prior
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.diagnosis.thresholds import another_threshold, name_threshold, score_keys
from spark_monitor.stages.context import Run
from spark_monitor.stages.falls import BASE_RATE, MOST_WINDOWS, Moment, before_of, broken_windows, spread
from spark_monitor.stages.scored_rows import REALISED
from spark_monitor.states.proportions import Z

AUC, CELLS = "roc_auc_score", "confusion_matrix"
METRICS: Final[Mapping[str, tuple[str, ...]]] = {"binary": (AUC, BASE_RATE), "multiclass": (CELLS,)}
"""By the model's task: what tells that scores are reversed, or which classes are named."""

MOST_ROWS: Final = 200_000
_CELL: Final = re.compile(r"((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)", re.DOTALL)


class Asked(NamedTuple):
    """The windows of a problem, by version, and those before it."""

    granularity: str
    now: tuple[Moment, ...]
    before: tuple[int, ...]


def output_causes(
    run: Run,
    problems: Sequence[Problem],
    windows: Windows,
    evidence: Mapping[EvidenceKey, Evidence],
    outputs: Collection[str],
) -> dict[int, list[Cause]]:
    """What the outputs themselves name as the cause, by the problem's ``id``; a problem that is a reversal is named so."""
    causes: dict[int, list[Cause]] = {}
    score = run.config.predictions.score
    by_problem = outputs_of(run, problems, windows, outputs)
    for one in problems:
        now, before = by_problem.get(id(one), (ModelOutputs(), ModelOutputs()))
        if not is_of_outputs(one, outputs):
            continue
        finding = reversal(now, before, _of_score(one, score, evidence))
        if finding is None:
            causes[id(one)] = [*_threshold(run, one, evidence), *class_causes(now, before)]
        else:
            causes[id(one)] = [reversal_cause(finding, score, now, before)]
            name_reversal(one, finding, causes[id(one)][0], score)
    return causes


def _threshold(run: Run, problem: Problem, evidence: Mapping[EvidenceKey, Evidence]) -> list[Cause]:
    """Another threshold, where predictions have moved that the scores do not make one expect; the problem is named so."""
    config = run.config.predictions
    if run.config.model.task != "binary" or config.prediction is None or config.score is None:
        return []
    for key in score_keys([group for group in problem.groups if group.state == FAIL], config.prediction, config.score):
        score, prediction = evidence.get(key), evidence.get((config.prediction, *key[1:]))
        if score is None or prediction is None or None in (score.now, score.baseline, prediction.now, prediction.baseline):
            continue
        looks = [look for one in (prediction, score) for look in (one.now, one.baseline) if look is not None]
        moved = another_threshold((looks[0], looks[1]), (looks[2], looks[3]), config.positive, config.score)
        if moved is not None:
            name_threshold(problem, config.prediction, moved[0])
            return [moved[1]]
    return []


def _of_score(problem: Problem, score: str | None, evidence: Mapping[EvidenceKey, Evidence]) -> Evidence | None:
    """What the score looks like in the first window in which a check of all rows says that it has moved."""
    groups = [group for group in problem.groups if group.column == score and group.whole and score is not None]
    keys = [(score or "", group.start, version, WHOLE) for group in groups for version in group.versions_failing]
    return next((evidence[key] for key in keys if key in evidence), None)


def outputs_of(
    run: Run, problems: Sequence[Problem], windows: Windows, outputs: Collection[str]
) -> dict[int, tuple[ModelOutputs, ModelOutputs]]:
    """What is known of the outputs now and before, by the problem's ``id``, of problems of all rows that are about these."""
    metrics = METRICS.get(run.config.model.task, ())
    broken = broken_windows(problems)
    asked = {id(one): asked_of(one, windows, broken) for one in problems if metrics and is_of_outputs(one, outputs)}
    if not asked:
        return {}
    starts = sorted({start for one in asked.values() for start in (*one.before, *(at for _, at in one.now))})
    stored = run.store.frame("model_metrics").where(F.col("monitor_id") == run.monitor_id)
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    rows = stored.where(F.col("metric").isin(*metrics) & F.col("window.start").isin(edges) & F.col("slice_key").isNull())
    scores = rows.where((F.coalesce("basis", F.lit(REALISED)) == REALISED) & F.col("value").isNotNull()).select(
        *("granularity", "metric", "class", "model_version", "value"),
        ((F.col("upper") - F.col("lower")) / (2 * Z)).alias("error"),
        (F.col("count") * F.coalesce("label_coverage", F.lit(1.0))).alias("rows"),
        F.unix_micros("window.start").alias("start"),
    )
    values: dict[tuple[str, str | None, int], dict[tuple[str, str | None], Score]] = {}
    for row in scores.orderBy("start", "metric", "class").limit(MOST_ROWS).collect():
        of_moment = values.setdefault((row["granularity"], row["model_version"], row["start"]), {})
        of_moment[row["metric"], row["class"]] = Score(row["value"], row["rows"] or 0.0, row["error"] or 0.0)

    def outputs_at(granularity: str, moments: Iterable[tuple[str | None, int]]) -> ModelOutputs:
        return outputs_in([values.get((granularity, *at), {}) for at in moments])

    by_problem = {}
    for about, one in asked.items():
        versions = sorted({version for version, _ in one.now}, key=lambda name: name or "")
        before = [(version, start) for version in versions for start in one.before]
        by_problem[about] = outputs_at(one.granularity, one.now), outputs_at(one.granularity, before)
    return by_problem


def is_of_outputs(problem: Problem, outputs: Collection[str]) -> bool:
    """Whether a problem of all rows is about what a model predicts, performance, or how the labels are spread."""
    if problem.slice != WHOLE or not any(group.whole for group in problem.groups):
        return False
    is_output = bool(problem.columns) and set(problem.columns) <= set(outputs) and problem.kind == "drift"
    return problem.main.first.track == MODEL or is_prior(problem) or is_output


def asked_of(problem: Problem, windows: Windows, broken: Collection[tuple[str, int]]) -> Asked:
    granularity = problem.granularity
    groups = [group for group in problem.groups if group.granularity == granularity and group.whole]
    moments = sorted({(version, group.start) for group in groups for version in group.versions_failing}, key=_by_time)
    return Asked(granularity, spread(moments, MOST_WINDOWS), before_of(problem.opened, granularity, windows, broken))


def _by_time(moment: Moment) -> tuple[int, str]:
    return moment[1], moment[0] or ""


def outputs_in(several: Iterable[Mapping[tuple[str, str | None], Score]]) -> ModelOutputs:
    """What some windows and versions say together."""
    moments = list(several)
    auc, rate = (mean([one[name, None] for one in moments if (name, None) in one]) for name in (AUC, BASE_RATE))
    labels: dict[str, float] = {}
    predictions: dict[str, float] = {}
    for one in moments:
        for (metric, name), score in one.items():
            cell = None if metric != CELLS else cell_of(name or "")
            if cell is not None:
                labels[cell[0]] = labels.get(cell[0], 0.0) + score.value
                predictions[cell[1]] = predictions.get(cell[1], 0.0) + score.value
    return ModelOutputs(auc, rate, labels, predictions)


def cell_of(name: str) -> tuple[str, str] | None:
    """The label and the prediction of a cell's name; None of cells together.

    >>> cell_of("a|b"), cell_of("a\\\\|b|c"), cell_of("other")
    (('a', 'b'), ('a|b', 'c'), None)
    """
    match = _CELL.fullmatch(name)
    if match is None:
        return None
    label, guess = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in match.groups())
    return label, guess


__all__ = ["asked_of", "cell_of", "output_causes", "outputs_of"]
