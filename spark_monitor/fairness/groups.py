"""The counts of a group that fairness is made of: whom a model favours, and how often it is right about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.weighting import Weighting, left_of

SMALL_GROUP = 30
"""Groups with fewer rows are not shown: their numbers are noise, and may tell of single persons."""


@dataclass(frozen=True)
class Rate:
    """``part`` of ``whole`` rows (or weights)."""

    part: float
    whole: float

    def __sub__(self, other: Rate) -> Rate:
        """The rate of the rows that are not among the others, which are a part of these."""
        return Rate(left_of(self.part, other.part), left_of(self.whole, other.whole))

    def scaled(self, weighting: Weighting | None) -> Rate:
        """The same rate of as many equal rows as the weights are worth."""
        return self if weighting is None else Rate(self.part * weighting.scale, self.whole * weighting.scale)


@dataclass(frozen=True)
class Group:
    """One group of rows: ``selected`` of all rows those with the favourable prediction; of labelled rows ``true_positives``
    (the favourable label: how many were favoured), ``false_positives`` (another label) and ``precision`` (favoured: how many
    have the favourable label). Of rows with weights the rates are weights, and ``weightings`` those of the predicted and of the
    labelled rows."""

    count: int
    labelled: int
    selected: Rate
    true_positives: Rate
    false_positives: Rate
    precision: Rate
    weightings: tuple[Weighting | None, Weighting | None] = (None, None)

    def without(self, other: Group) -> Group:
        """The rows of this group that are not in another, which is a part of it."""
        first, second = (
            None if weighting is None else weighting - (part or Weighting.equal(0))
            for weighting, part in zip(self.weightings, other.weightings, strict=True)
        )
        return Group(
            self.count - other.count,
            self.labelled - other.labelled,
            self.selected - other.selected,
            self.true_positives - other.true_positives,
            self.false_positives - other.false_positives,
            self.precision - other.precision,
            (first, second),
        )

    def effective(self) -> Group:
        """This group as one of as many equal rows as its weights are worth; only groups as they are can be subtracted."""
        predicted, labelled = self.weightings
        return replace(
            self,
            selected=self.selected.scaled(predicted),
            true_positives=self.true_positives.scaled(labelled),
            false_positives=self.false_positives.scaled(labelled),
            precision=self.precision.scaled(labelled),
            weightings=(None, None),
        )


def group_of(predicted: ConfusionState, confusion: ConfusionState | None, favourable: str) -> Group:
    """The group of these states: of all predictions, and of predictions against labels.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> both = binary_confusion([1, 1, 0, 0], [1, 0, 1, 0])
    >>> group = group_of(binary_confusion([1, 0, 1, 0], [1, 0, 1, 0]), both, "1")
    >>> group.selected, group.true_positives, group.precision
    (Rate(part=2.0, whole=4.0), Rate(part=1.0, whole=2.0), Rate(part=1.0, whole=2.0))
    """
    labels = confusion or ConfusionState.empty()
    selected = Rate(float(_total(predicted, favourable, label=False)), float(predicted.counts.sum()))
    labelled, favoured, right = (
        float(_total(labels, favourable, label=True)),
        float(_total(labels, favourable, label=False)),
        float(labels.cell(favourable, favourable)),
    )
    rest = left_of(float(labels.counts.sum()), labelled)
    return Group(
        predicted.count,
        labels.count,
        selected,
        Rate(right, labelled),
        Rate(left_of(favoured, right), rest),
        Rate(right, favoured),
        (predicted.weighting, labels.weighting),
    )


def _total(state: ConfusionState, name: str, *, label: bool) -> float:
    if name not in state.classes:
        return 0.0
    totals = state.labelled if label else state.predicted
    return float(totals[state.classes.index(name)])
