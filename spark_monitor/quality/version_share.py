"""How a window's predictions are divided among the model's versions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.catalogue.interval import Integers, Interval
from spark_monitor.catalogue.metric import PERCENT, quality_metric
from spark_monitor.quality.column_block import UNDEFINED, statuses, with_status
from spark_monitor.states.proportions import wilson


@dataclass(frozen=True, eq=False)
class VersionBlock:
    """S versions of windows: their rows, and the rows of all versions of the window."""

    count: Integers
    whole: Integers


@quality_metric("version_share", columns=(":table",), range=PERCENT, worse="both", unit="percent")
def version_share(current: VersionBlock, baseline: VersionBlock | None = None) -> Interval:
    """Rows of the version in percent of the window's rows, with Wilson's 95 % interval; 0 where it had rows in the window before.

    >>> found = version_share(VersionBlock(np.array([30, 70]), np.array([100, 100])))
    >>> found.value.tolist()
    [30.0, 70.0]
    """
    status, message = statuses(current.count.size)
    status[current.whole == 0], message[current.whole == 0] = UNDEFINED, "There are no rows."
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 100 * current.count / current.whole
    lower, upper = (100 * bound for bound in wilson(current.count, current.whole))
    return with_status(value, lower, upper, status, message, current.whole)
