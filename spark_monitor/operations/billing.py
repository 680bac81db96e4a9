"""What it all costs: bills by window and service, beside predictions, and against a budget with a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import fdtrc, stdtrit

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import ANY_NUMBER, NOT_NEGATIVE, operation_metric
from spark_monitor.states.proportions import CONFIDENCE


def _none() -> Floats:
    return np.empty(0)


DAYS_OF_WEEK, FEWEST_OF_WEEKDAY, CHANCE = 7, 3, 0.01
FEWEST_BEFORE = 14
"""Degrees of freedom that the days before a period need to say how much days vary."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Week:
    """Which weekdays (0 is Monday) the days so far are and those to come, and the daily sums before the period with theirs."""

    weekdays: Integers
    open_weekdays: Integers
    before: Floats
    weekdays_before: Integers
    begun: int | None = None
    """The weekday of the day that is under way, or begins."""


@dataclass(frozen=True, eq=False)
class CostBlock:
    """S windows of one bill: each attribute has length S, NaN where nothing is known.

    ``days`` are the daily sums of the budget's period so far, ``open_days`` how many days of it are to come or have no rows, and
    ``spent`` the period's sum so far, ``begun`` what of it is of a day under way, ``absent`` of days without rows of their own;
    ``budget`` is the amount that may be spent, ``fresh`` how many services have their first charges.
    """

    cost: Floats = field(default_factory=_none)
    predictions: Floats = field(default_factory=_none)
    spent: Floats = field(default_factory=_none)
    budget: Floats = field(default_factory=_none)
    open_days: Floats = field(default_factory=_none)
    days: Sequence[Floats] = ()
    weeks: Sequence[Week | None] = ()
    begun: Floats = field(default_factory=_none)
    fresh: Floats = field(default_factory=_none)
    absent: Floats = field(default_factory=_none)


@operation_metric("cost", dataset="costs", range=ANY_NUMBER, headline=0)
def cost(current: CostBlock) -> Floats:
    """What was billed for the window, credits subtracted, in its currency."""
    return current.cost


@operation_metric("cost_per_1000_predictions", dataset="costs", range=ANY_NUMBER, headline=1)
def cost_per_1000_predictions(current: CostBlock) -> Interval:
    """What was billed for the window, for each 1,000 predictions of it.

    >>> cost_per_1000_predictions(CostBlock(cost=np.array([5.0]), predictions=np.array([2000.0]))).value.tolist()
    [2.5]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(current.predictions > 0, 1000 * current.cost / current.predictions, np.nan)
    return Interval(value, value, value, np.zeros(value.shape))


@operation_metric("new_services", dataset="costs", range=NOT_NEGATIVE, unit="services")
def new_services(current: CostBlock) -> Floats:
    """Services with a charge in the window and none in the 35 days (or the lookback, where that is longer) before it."""
    return current.fresh


@operation_metric("budget_used_percent", dataset="costs", range=ANY_NUMBER, unit="percent", headline=2)
def budget_used_percent(current: CostBlock) -> Floats:
    """What the budget's day, week or month had cost by the window's end, in percent of the budget."""
    return 100 * current.spent / current.budget


@operation_metric("budget_forecast_percent", dataset="costs", range=ANY_NUMBER, unit="percent")
def budget_forecast_percent(current: CostBlock) -> Interval:
    """What the budget's period will have cost at its end, in percent of the budget, by its days so far and the week's shape.

    Each day has a weight: its weekday's mean over the mean of all, of the 35 days before the period, where weekdays differ (F
    test, 1 %), else 1. With n days of level m = sum y / sum w and residuals y - m w of variance v, and R days to come whose
    weights sum to W: spent + m W, with the 95 % prediction interval
    m W -+ t(n - 1) sqrt(v (R + W^2 n / (sum w)^2) + noise of the weights). Where the days before the period varied more, their
    variance (relative to their level, with their degrees of freedom) stands for v: few days have not seen what is rare. A day
    that is not over counts as one to come, or with what it has cost already where that is more.

    >>> block = CostBlock(
    ...     spent=np.array([30.0]), budget=np.array([100.0]), open_days=np.array([7.0]), days=[np.array([9.0, 11.0, 10.0])]
    ... )
    >>> found = budget_forecast_percent(block)
    >>> [round(float(bound[0]), 1) for bound in (found.value, found.lower, found.upper)]
    [100.0, 79.2, 120.8]
    """
    weeks = current.weeks or [None] * len(current.days)
    begun = current.begun if current.begun.size else np.zeros(len(current.days))
    absent = current.absent if current.absent.size else np.zeros(len(current.days))
    rows = [_forecast(*each) for each in zip(current.spent, current.open_days, current.days, weeks, begun, absent, strict=True)]
    value, half = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    scale = 100 / current.budget
    count = np.array([days.size for days in current.days], dtype=np.int64)
    return Interval(scale * value, scale * (value - half), scale * (value + half), np.zeros(value.shape), count)


def _forecast(
    spent: float, open_days: float, days: Floats, week: Week | None, begun: float, absent: float
) -> tuple[float, float]:
    """The sum at the period's end and half the width of its interval; NaN where no spread is known."""
    n = days.size
    if not open_days:
        return spent, 0.0
    shape = None if week is None else week_shape(week.before, week.weekdays_before)
    weights, to_come, today = np.ones(n), open_days, 1.0
    if week is not None and shape is not None:
        today = float(shape.weights[week.begun]) if week.begun is not None else 1.0
        weights, to_come = shape.weights[week.weekdays], float(shape.weights[week.open_weekdays].sum())
    if not n or not weights.sum() > 0:
        return np.nan, np.nan
    level = float(days.sum() / weights.sum())
    # What long charges have cost already in days that are still to come, or lack their own rows, is not forecast again.
    value = spent + level * to_come - min(begun, level * today) - min(absent, level * to_come)
    if n < 2:
        return value, np.nan
    own = float(np.square(days - level * weights).sum()), n - 1
    spreads = [own] if week is None else [own, _spread_before(week, shape, level)]
    factor, noise = open_days + to_come**2 * n / weights.sum() ** 2, 0.0
    if week is not None and shape is not None:
        noise = level**2 * shape.noise(week.weekdays, week.open_weekdays, to_come / float(weights.sum()))
    halves = [
        float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * np.sqrt(squares / freedom * factor + noise)
        for squares, freedom in spreads
        if freedom > 0
    ]
    return value, max(halves)


def _spread_before(week: Week, shape: Shape | None, level: float) -> tuple[float, int]:
    """The squared residuals of the days before the period, at a level, and their degrees of freedom; (0, 0) of too few days."""
    before = week.before
    freedom = before.size - (1 if shape is None else DAYS_OF_WEEK)
    mean = float(before.mean()) if before.size else 0.0
    if freedom < FEWEST_BEFORE or not mean > 0:
        return 0.0, 0
    weights = np.ones(before.size) if shape is None else shape.weights[week.weekdays_before]
    return float(np.square(before / mean - weights).sum()) * level**2, freedom


@dataclass(frozen=True)
class Shape:
    """What a weekday costs over what a day costs, and the variance of each of the seven."""

    weights: Floats
    variances: Floats

    def noise(self, weekdays: Integers, open_weekdays: Integers, ratio: float) -> float:
        """The variance of the open days' weights together less ``ratio`` times those of the days so far."""
        counts = np.bincount(open_weekdays, minlength=DAYS_OF_WEEK) - ratio * np.bincount(weekdays, minlength=DAYS_OF_WEEK)
        return float((np.square(counts) * self.variances).sum())


def week_shape(sums: Floats, weekdays: Integers) -> Shape | None:
    """How the days of a week differ; None where they do not differ beyond chance, or too few are known.

    >>> week_shape(np.tile([6.0, 6, 6, 6, 6, 1, 4], 5) + 0.01 * np.arange(35), np.arange(35) % 7).weights.round(2).tolist()
    [1.19, 1.19, 1.19, 1.19, 1.2, 0.23, 0.81]
    """
    many = np.bincount(weekdays, minlength=DAYS_OF_WEEK)
    if many.min() < FEWEST_OF_WEEKDAY or not sums.mean() > 0:
        return None
    means = np.bincount(weekdays, weights=sums, minlength=DAYS_OF_WEEK) / many
    freedom = sums.size - DAYS_OF_WEEK
    within = float(np.square(sums - means[weekdays]).sum()) / freedom
    between = float((many * np.square(means - sums.mean())).sum()) / (DAYS_OF_WEEK - 1)
    if not between > 0 or (within > 0 and fdtrc(DAYS_OF_WEEK - 1, freedom, between / within) >= CHANCE):
        return None
    return Shape(means / sums.mean(), within / many / sums.mean() ** 2)
