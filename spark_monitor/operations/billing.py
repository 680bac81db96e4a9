"""What it all costs: bills by window and service, beside predictions, and against a budget with a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import ANY_NUMBER, operation_metric
from spark_monitor.states.proportions import CONFIDENCE


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class CostBlock:
    """S windows of one bill: each attribute has length S, NaN where nothing is known.

    ``days`` are the daily sums of the budget's period so far, ``open_days`` how many days of it are to come or have no rows, and
    ``spent`` the period's sum so far; ``budget`` is the amount that may be spent in it.
    """

    cost: Floats = field(default_factory=_none)
    predictions: Floats = field(default_factory=_none)
    spent: Floats = field(default_factory=_none)
    budget: Floats = field(default_factory=_none)
    open_days: Floats = field(default_factory=_none)
    days: Sequence[Floats] = ()


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


@operation_metric("budget_used_percent", dataset="costs", range=ANY_NUMBER, unit="percent", headline=2)
def budget_used_percent(current: CostBlock) -> Floats:
    """What the budget's day, week or month had cost by the window's end, in percent of the budget."""
    return 100 * current.spent / current.budget


@operation_metric("budget_forecast_percent", dataset="costs", range=ANY_NUMBER, unit="percent")
def budget_forecast_percent(current: CostBlock) -> Interval:
    """What the budget's period will have cost at its end, in percent of the budget, by its days so far.

    With n days of mean m and standard deviation s, and R days to come: spent + R m, with the 95 % prediction interval of a sum
    of R further days, R m -+ t(n - 1) s sqrt(R + R^2 / n). It supposes that the days to come are like those so far.

    >>> block = CostBlock(
    ...     spent=np.array([30.0]), budget=np.array([100.0]), open_days=np.array([7.0]), days=[np.array([9.0, 11.0, 10.0])]
    ... )
    >>> found = budget_forecast_percent(block)
    >>> [round(float(bound[0]), 1) for bound in (found.value, found.lower, found.upper)]
    [100.0, 79.2, 120.8]
    """
    rows = [_forecast(*each) for each in zip(current.spent, current.open_days, current.days, strict=True)]
    value, half = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    scale = 100 / current.budget
    count = np.array([days.size for days in current.days], dtype=np.int64)
    return Interval(scale * value, scale * (value - half), scale * (value + half), np.zeros(value.shape), count)


def _forecast(spent: float, open_days: float, days: Floats) -> tuple[float, float]:
    """The sum at the period's end and half the width of its interval; NaN where no spread is known."""
    n = days.size
    if not open_days:
        return spent, 0.0
    if not n:
        return np.nan, np.nan
    value = spent + open_days * float(days.mean())
    if n < 2:
        return value, np.nan
    spread = float(days.std(ddof=1)) * np.sqrt(open_days + open_days**2 / n)
    return value, float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * spread
