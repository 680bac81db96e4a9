"""Values that are the baseline's with digits lost: rounded or cut off to multiples of a coarser step."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.lattice import ON_STEP, on_lattice, precision
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence, Look
from spark_monitor.diagnosis.percentiles import is_close

WAYS: Final = ((np.round, "rounded"), (np.trunc, "cut off"), (np.floor, "rounded down"), (np.ceil, "rounded up"))
MOST_DIGITS: Final = 7
LEAST_COARSER: Final = 2.0
LEAST_VALUES: Final = 2
"""Of one value alone nobody knows whether it is a multiple of anything."""

SURE_OF_DISTINCT: Final = 1.05
"""How far the count of different values may be off."""


def rounded(evidence: Evidence) -> Finding | None:
    """Values that are multiples of a step which the baseline's are not, and otherwise spread as these are.

    >>> exact = np.linspace(0.37, 41.3, 101)
    >>> fives, was = np.round(exact / 5) * 5, Look(count=909, mean=20.0, quantiles=tuple(exact))
    >>> items = {f"{value:.0f}": 90 for value in np.unique(fives)}
    >>> now = Look(count=909, least=0.0, greatest=40.0, distinct=9, quantiles=tuple(fives), items=items)
    >>> rounded(Evidence(now, was)).what, rounded(Evidence(was, was))
    ("values are the baseline's, rounded to multiples of 5", None)
    """
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS:
        return None
    if not len(now.quantiles) == len(was.quantiles) == 101:
        return None
    step, finer = _step(now), _step(was)
    if step is None or (finer is not None and step < LEAST_COARSER * finer):
        return None
    # Between the grid's edges percentiles are interpolated: the values themselves are on the step.
    one, two = np.asarray(was.quantiles, dtype=np.float64), np.round(np.asarray(now.quantiles, dtype=np.float64) / step) * step
    noise = math.sqrt(1 / now.filled + 1 / was.filled)
    way = next((name for each, name in WAYS if is_close(each(one / step) * step, two, noise)), None)
    if way is None:
        return None
    what = f"values are the baseline's, {way} to multiples of {step:g}"
    return Finding("drift", what, "digits are lost upstream", evidence="quantiles")


def _step(look: Look) -> float | None:
    """The coarsest round number that values which repeat are multiples of; None where there is none, or there are more values.

    >>> many = {"0": 20, "1000": 30, "3000": 9}
    >>> _step(Look(count=59, least=0.0, greatest=3000.0, distinct=3, items=many)), _step(Look(items={"0.123": 2, "7.04": 1}))
    (1000.0, None)
    """
    values = np.array([value for value, rows in look.atoms.items() if rows > 1 and value != 0])
    if values.size < LEAST_VALUES or look.least is None or look.greatest is None:
        return None
    greatest, digits = math.floor(math.log10(float(np.abs(values).max()))), precision(values)
    steps = (part * 10.0 ** (greatest - place) for place in range(MOST_DIGITS) for part in (1.0, 0.5, 0.25, 0.2))
    step = next((float(f"{one:.3g}") for one in steps if on_lattice(values, one, digits) >= ON_STEP), None)
    places = None if step is None else (look.greatest - look.least) / step + 1
    return step if places is not None and (look.distinct or 0) <= SURE_OF_DISTINCT * places + 1 else None
