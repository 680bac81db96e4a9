"""What is wrong with a model's own outputs: reversed scores or labels, classes that are gone, numbers in another unit."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from spark_monitor.diagnosis.falls import Cause, Score
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence
from spark_monitor.diagnosis.percentiles import distance, is_close
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.scales import change_of, of_fit
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.diagnosis.units import UNKNOWN_CHANGE
from spark_monitor.states.proportions import Z
from spark_monitor.text.formatting import harmless, number, percent

MIRRORED: Final = 0.05
"""The area under the ROC curve may be so far from 1 minus what it was, beside three standard errors of both."""

TELLING: Final = 3.0
"""In so many times the noise of two samples two distributions differ surely."""

REVERSED_SCORES: Final = Finding(
    "unit_change", "values are 1 minus the baseline's", "the scores are reversed", evidence="quantiles"
)
REVERSED_LABELS: Final = Finding("encoding_swap", "the two labels stand for each other", "the labels are reversed")
REVERSED: Final = Finding("unit_change", "the model ranks the other way round", "the scores or the labels are reversed")
OF_REVERSALS: Final = frozenset({REVERSED_SCORES.conclusion, REVERSED_LABELS.conclusion, REVERSED.conclusion})

LEAST_EXPECTED: Final = 10.0
"""A class of which so many rows were expected and none came is gone: chance does so once in 20,000 times."""

CLASSES_NAMED: Final = 3


@dataclass(frozen=True)
class ModelOutputs:
    """How a model of two classes ranks, and how often the label is positive; of several classes how often each is both."""

    auc: Score | None = None
    rate: Score | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    predictions: Mapping[str, float] = field(default_factory=dict)


def reversal(now: ModelOutputs, before: ModelOutputs, scores: Evidence | None) -> Finding | None:
    """Whether scores came as 1 minus themselves, or labels as the other ones; ``scores`` is what the score's column looks like.

    By both, a model of AUC a has 1 - a. The score's distribution is then its mirror image, or the label's rate 1 minus what it
    was; where both are alike to begin with, nobody can tell which. Without labels the mirror image alone tells.
    """
    mirrored = None if scores is None else _is_mirrored(scores)
    if now.auc is None or before.auc is None:
        return REVERSED_SCORES if mirrored and scores is not None and _is_exact_mirror(scores) else None
    error = math.hypot(now.auc.error, before.auc.error)
    is_below = now.auc.value + Z * now.auc.error < 0.5 < before.auc.value - Z * before.auc.error
    if not is_below or abs(now.auc.value - (1 - before.auc.value)) > MIRRORED + TELLING * error:
        return None
    other_rate = _has_other_rate(now.rate, before.rate)
    if mirrored is not None:
        return REVERSED_SCORES if mirrored else REVERSED_LABELS if other_rate is not False else None
    # A score that no check of its own says has moved is alike on both sides of one half, or was left as it is.
    return REVERSED_LABELS if other_rate else REVERSED_SCORES if other_rate is False else REVERSED


def _has_other_rate(now: Score | None, before: Score | None) -> bool | None:
    """Whether the label's rate is nearer to 1 minus what it was than to that; None where these are too near to tell."""
    if now is None or before is None or not now.count or not before.count:
        return None
    noise = math.sqrt(before.value * (1 - before.value) * (1 / now.count + 1 / before.count))
    if abs(1 - 2 * before.value) < 2 * TELLING * noise:
        return None
    return abs(now.value - (1 - before.value)) < abs(now.value - before.value)


def _is_mirrored(scores: Evidence) -> bool | None:
    """Whether scores are nearer to the mirror image of the baseline's than to these; None where nobody can tell."""
    levels = _levels(scores)
    if levels is None:
        return None
    was, now, noise = levels
    mirror = np.sort(1 - was)
    if distance(was, mirror) < TELLING * noise:
        return None
    return distance(mirror, now) + noise < distance(was, now)


def _is_exact_mirror(scores: Evidence) -> bool:
    levels = _levels(scores)
    return levels is not None and is_close(np.sort(1 - levels[0]), levels[1], levels[2])


def _levels(scores: Evidence) -> tuple[np.ndarray, np.ndarray, float] | None:
    now, was = scores.now, scores.baseline
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS:
        return None
    if not len(now.quantiles) == len(was.quantiles) == 101:
        return None
    one, two = (np.asarray(look.quantiles, dtype=np.float64) for look in (was, now))
    if min(one[0], two[0]) < 0 or max(one[-1], two[-1]) > 1:
        return None
    return one, two, math.sqrt(1 / now.filled + 1 / was.filled)


def another_unit(evidence: Evidence) -> Finding | None:
    """Outputs that are numbers in another unit: by a known factor so large that no input moves them there.

    >>> from spark_monitor.diagnosis.looks import Look
    >>> was = Look(count=900, mean=5.0, stddev=2.0, least=1.0, greatest=9.0, quantiles=tuple(np.linspace(1.0, 9.0, 101)))
    >>> now = Look(count=900, mean=5e3, stddev=2e3, least=1e3, greatest=9e3, quantiles=tuple(np.linspace(1e3, 9e3, 101)))
    >>> another_unit(Evidence(now, was, name="predicted_kwh")).conclusion
    'another unit, kWh to Wh'
    """
    fit = change_of(evidence)
    if fit is None or fit.name is None or fit.factor <= 0 or max(fit.factor, 1 / fit.factor) < UNKNOWN_CHANGE:
        return None
    return of_fit(fit, evidence.name)


def class_causes(now: ModelOutputs, before: ModelOutputs) -> list[Cause]:
    """The classes that are gone from the predictions, from the labels, or from both: then no such cases come.

    >>> was = ModelOutputs(labels={"a": 50, "b": 50}, predictions={"a": 50, "b": 50})
    >>> [cause.sentence for cause in class_causes(ModelOutputs(labels={"a": 50, "b": 50}, predictions={"a": 100}), was)]
    ['The model no longer predicts b: none of 100 predictions, before 50.0 % of them; 50.0 % of the labels are.']
    """
    unpredicted, unlabelled = (_gone(getattr(now, name), getattr(before, name)) for name in ("predictions", "labels"))
    both = [name for name in unpredicted if name in unlabelled]
    causes = []
    for names, what, sentence in (
        ([one for one in unpredicted if one not in both], "{}, which is no longer predicted", "The model no longer predicts {}"),
        ([one for one in unlabelled if one not in both], "{}, which no label is any more", "No label is {} any more"),
        (both, "{}, of which no cases come", "No cases of {} come any more"),
    ):
        if names:
            named = ", ".join(map(harmless, names[:CLASSES_NAMED]))
            named += f" and {len(names) - CLASSES_NAMED} more" if len(names) > CLASSES_NAMED else ""
            causes.append(
                Cause("class", f"class {what.format(named)}", None, f"{sentence.format(named)}: {_numbers(names, now, before)}.")
            )
    return causes


def _gone(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    total, rows = sum(before.values()), sum(now.values())
    gone = [name for name, count in before.items() if not now.get(name) and total and rows * count / total >= LEAST_EXPECTED]
    return sorted(gone, key=lambda name: (-before[name], name))


def _numbers(names: list[str], now: ModelOutputs, before: ModelOutputs) -> str:
    """How often the classes were and are predicted and labelled."""

    def share(counts: Mapping[str, float]) -> float | None:
        total = sum(counts.values())
        return sum(counts.get(name, 0.0) for name in names) / total if total else None

    labelled, predicted = share(now.labels), share(now.predictions)
    if predicted == 0 and labelled == 0:
        return f"before {percent(share(before.labels))} of the labels and {percent(share(before.predictions))} of the predictions"
    if predicted == 0:
        rows = number(sum(now.predictions.values()))
        sentence = f"none of {rows} predictions, before {percent(share(before.predictions))} of them"
        return f"{sentence}; {percent(labelled)} of the labels are"
    rows = number(sum(now.labels.values()))
    return f"none of {rows} labels, before {percent(share(before.labels))} of them; {percent(predicted)} of the predictions are"


def broken_output(problem: Problem, outputs: Collection[str]) -> list[Cause]:
    """A broken output as the one cause of what follows from it: labels and inputs have no part in what became of it."""
    columns, finding = problem.columns, problem.finding
    if not columns or not set(columns) <= set(outputs) or not finding.is_fault or finding.conclusion in OF_REVERSALS:
        return []
    name = harmless(columns[0])
    return [Cause("column", columns[0], None, f"{name}: {finding.what}.")]


def reversal_cause(finding: Finding, column: str | None, now: ModelOutputs, before: ModelOutputs) -> Cause:
    """A reversal as the one cause of what follows from it."""
    evidence = ""
    if now.auc is not None and before.auc is not None:
        evidence = f": roc_auc_score is {number(now.auc.value)}, about 1 minus the {number(before.auc.value)} of before"
    conclusion = finding.conclusion or ""
    name = harmless(column) if column is not None and finding is REVERSED_SCORES else conclusion
    kind = "column" if finding is REVERSED_SCORES and column is not None else "labels" if finding is REVERSED_LABELS else "scores"
    return Cause(kind, name, None, f"{conclusion[:1].upper()}{conclusion[1:]}{evidence}.")


def name_reversal(problem: Problem, finding: Finding, cause: Cause, score: str | None) -> None:
    """Make a problem the one of a reversal: about the score, where that is what moved, with all else as its symptoms."""
    moved = next((one for one in problem.episodes if score is not None and one.first.column == score), None)
    if moved is not None and finding is REVERSED_SCORES:
        problem.episodes.sort(key=lambda one: one is not moved)
        problem.symptoms |= set(problem.columns) - {score or ""}
    elif problem.main.first.track == MODEL:
        finding = replace(finding, what=f"{finding.what} ({cause.sentence.rstrip('.').partition(': ')[2]})")
    problem.kind = finding.kind
    problem.main.finding = finding
