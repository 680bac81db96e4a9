"""How differently a model treats two groups: differences and ratios of rates, a group against its reference or the rest.

Signs say who is better off: a positive difference is a higher rate in the group. Fairlearn's numbers of two groups are the
absolute values of the differences, and its demographic parity ratio is ours. Intervals recover the rates' Wilson intervals
(Newcombe 1998 for differences; Donner and Zou 2012 for ratios, on the logarithm).
"""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, SHARE, fairness_metric
from spark_monitor.fairness.groups import Group, Rate
from spark_monitor.states.proportions import wilson

DIFFERENCE = (-1.0, 1.0)
PREDICTED, LABELLED = ("prediction",), ("prediction", "label")


def difference(one: Rate, other: Rate) -> Interval:
    """The difference of two rates; not defined where one has no rows.

    >>> found = difference(Rate(30, 100), Rate(20, 100))
    >>> round(float(found.value[0]), 3), round(float(found.lower[0]), 3), round(float(found.upper[0]), 3)
    (0.1, -0.02, 0.217)
    """
    if not one.whole or not other.whole:
        return _undefined()
    (value, low, high), (base, least, most) = _rate(one), _rate(other)
    below, above = math.hypot(value - low, most - base), math.hypot(high - value, base - least)
    gap = value - base
    return _interval(gap, max(gap - below, -1.0), min(gap + above, 1.0))


def ratio(one: Rate, other: Rate) -> Interval:
    """The ratio of two rates; not defined where the other is 0."""
    if not one.whole or not other.part:
        return _undefined()
    (value, low, high), (base, least, most) = _rate(one), _rate(other)
    quotient = value / base
    if not value:
        return _interval(0.0, 0.0, high / least)
    below = math.hypot(math.log(value / low), math.log(most / base)) if low else math.inf
    above = math.hypot(math.log(high / value), math.log(base / least))
    return _interval(quotient, quotient * math.exp(-below), quotient * math.exp(above))


def _rate(rate: Rate) -> tuple[float, float, float]:
    lower, upper = wilson(rate.part, rate.whole)
    return rate.part / rate.whole, float(lower), float(upper)


def _interval(value: float, lower: float, upper: float) -> Interval:
    return Interval(np.array([value]), np.array([lower]), np.array([upper]))


def _undefined() -> Interval:
    nothing = np.array([math.nan])
    message = "There are no rows of the kind that this rate counts, in the group or in what it is compared with."
    return Interval(nothing, nothing, nothing, nothing, status=["UNDEFINED"], message=[message])


@fairness_metric("demographic_parity_difference", range=DIFFERENCE, worse="both", needs=PREDICTED)
def demographic_parity_difference(group: Group, other: Group) -> Interval:
    """Share of favourable predictions in the group, less that of the reference or the rest; over all rows, labelled or not."""
    return difference(group.selected, other.selected)


@fairness_metric("demographic_parity_ratio", range=SHARE, worse="lower", needs=PREDICTED)
def demographic_parity_ratio(group: Group, other: Group) -> Interval:
    """The smaller fraction of favourable predictions over the larger: 1 where both are the same; below 0.8 breaks four fifths."""
    rates = [one.selected.part / one.selected.whole if one.selected.whole else math.nan for one in (group, other)]
    smaller, larger = (group, other) if rates[0] <= rates[1] else (other, group)
    interval = ratio(smaller.selected, larger.selected)
    if interval.upper is None or not np.isfinite(interval.value[0]):
        return interval
    return Interval(interval.value, interval.lower, np.minimum(interval.upper, 1.0))


@fairness_metric("disparate_impact", range=NOT_NEGATIVE, worse="both", needs=PREDICTED)
def disparate_impact(group: Group, other: Group) -> Interval:
    """The fraction of favourable predictions in the group, over that of the reference or the rest."""
    return ratio(group.selected, other.selected)


@fairness_metric("equal_opportunity_difference", range=DIFFERENCE, worse="both", needs=LABELLED)
def equal_opportunity_difference(group: Group, other: Group) -> Interval:
    """Of rows whose label is favourable, the fraction that is predicted so: the group's less the other's."""
    return difference(group.true_positives, other.true_positives)


@fairness_metric("predictive_equality_difference", range=DIFFERENCE, worse="both", needs=LABELLED)
def predictive_equality_difference(group: Group, other: Group) -> Interval:
    """Of rows whose label is not favourable, the fraction that is predicted favourable: the group's less the other's."""
    return difference(group.false_positives, other.false_positives)


@fairness_metric("predictive_parity_difference", range=DIFFERENCE, worse="both", needs=LABELLED)
def predictive_parity_difference(group: Group, other: Group) -> Interval:
    """Of rows with the favourable prediction, the fraction whose label is so: the group's less the other's."""
    return difference(group.precision, other.precision)


@fairness_metric("equalized_odds_difference", range=SHARE, worse="higher", needs=LABELLED)
def equalized_odds_difference(group: Group, other: Group) -> Interval:
    """The larger of the absolute differences of true positive and false positive rates."""
    both = [difference(group.true_positives, other.true_positives), difference(group.false_positives, other.false_positives)]
    if any(not np.isfinite(one.value[0]) for one in both):
        return _undefined()
    ends = [_absolute(one) for one in both]
    return _interval(*(max(end[place] for end in ends) for place in range(3)))


def _absolute(interval: Interval) -> tuple[float, float, float]:
    value, lower, upper = (float(bound[0]) for bound in (interval.value, interval.lower, interval.upper) if bound is not None)
    return abs(value), max(lower, -upper, 0.0), max(-lower, upper)
