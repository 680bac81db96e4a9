"""Labels that come for some rows rather than others: by class, by score, by slice; and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.problems import Problem, is_prior, under
from spark_monitor.diagnosis.subjects import LABELS, MODEL
from spark_monitor.text.formatting import harmless, percent

COVERAGE: Final = "label_coverage"
SURELY: Final = 4.0
MUCH_MORE: Final = 0.25
"""A class is among the labels surely more often than among the rows: by so many standard errors, and by a quarter of its rate."""

CORRECTED: Final = (
    "Metrics of these windows are those of the labelled rows; selection_error has what they are by inverse coverage of the scores"
)


@dataclass(frozen=True)
class Labelled:
    """The labels of a problem's windows: how many came, how many are positive, and how many were expected of how many rows."""

    labels: float = 0.0
    positives: float = 0.0
    rows: float = 0.0
    expected: float = 0.0

    @property
    def by_class(self) -> bool:
        """Whether labels of one class surely come more often than those of the other."""
        if not self.labels or not 0 < self.expected < self.rows:
            return False
        rate, expected = self.positives / self.labels, self.expected / self.rows
        noise = math.sqrt(expected * (1 - expected) / self.labels)
        return abs(rate - expected) > SURELY * noise and abs(rate - expected) > MUCH_MORE * min(expected, 1 - expected)

    @property
    def coverages(self) -> tuple[float, float]:
        """Which part of the positive rows and of the others has a label, if there are as many as their scores make one expect.

        >>> Labelled(labels=100, positives=95, rows=1000, expected=200).coverages
        (0.475, 0.00625)
        """
        return min(self.positives / self.expected, 1.0), min((self.labels - self.positives) / (self.rows - self.expected), 1.0)


def is_of_coverage(problem: Problem) -> bool:
    """Whether it is that fewer labels come."""
    return problem.main.first.track == LABELS and problem.main.first.name == COVERAGE


def selective_causes(labelled: Labelled, positive: str, shares: Sequence[str]) -> list[Cause]:
    """Why fewer labels come: for rows of one class, of some scores, or of some slices; ``shares`` are sentences of the metrics.

    >>> found = selective_causes(Labelled(labels=100, positives=95, rows=1000, expected=200), "1", [])
    >>> found[0].what, found[0].sentence.partition(";")[0].partition("selective: ")[2]
    ('labels that come for 1 rather than other classes', '47.5 % of the rows of class 1 have one, 0.6 % of the others')
    """
    told = "".join(f" {one.rpartition(': ')[0]}." for one in shares)
    if labelled.by_class:
        those, others = labelled.coverages
        name = harmless(positive)
        what = f"labels that come for {name if those > others else f'classes other than {name}'} rather than "
        what += "other classes" if those > others else name
        of_classes = f"{percent(those)} of the rows of class {name} have one, {percent(others)} of the others"
        sentence = (
            f"Labels are selective: {of_classes}; as many rows are taken to be of it as their scores make one expect.{told} "
            f"{CORRECTED}, which is no remedy here: labels depend on the class itself."
        )
        return [Cause("selective_labels", what, None, sentence)]
    if not shares:
        return []
    sentence = f"Labels are selective:{told} {CORRECTED}, as if labels came irrespective of what they are within a range."
    return [Cause("selective_labels", "labels that come for some rows rather than others", None, sentence)]


def without_their_metrics(problems: Sequence[Problem], selective: Collection[int]) -> list[Problem]:
    """The problems without what follows from selective labels, by the ``id`` of these: another label rate, another metric."""
    owners = [one for one in problems if id(one) in selective]

    def belongs(one: Problem, owner: Problem) -> bool:
        of_labels = one.main.first.track == MODEL or is_prior(one)
        return of_labels and one.dataset == owner.dataset and (one.opened == owner.opened or owner.goes_on_at(one.opened))

    return under(problems, owners, belongs) if owners else list(problems)
