"""Mergeable summaries on numpy and pyarrow; no Spark here.

A state has ``empty``, ``update``, ``merge``, ``to_bytes`` and ``from_bytes``. Merging parts in any grouping and order equals one
update of the whole: exactly for counts, within the stated error for sketches. ``STATES`` is the catalogue, by the tag that a
state's bytes begin with; ``tests/laws`` holds every entry to these laws.

>>> sorted(STATES)
['CATS', 'CERR', 'CLSC', 'CNTR', 'CONF', 'COVA', 'COVR', 'GRPS', 'HOUR', 'NUMS', 'PAIR', 'REGR', 'REPT', 'SCOR', 'TABL']
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from spark_monitor.states import (
    binary,
    categorical,
    cell_errors,
    class_scores,
    confusion,
    counters,
    covariance,
    coverage,
    grouped,
    hours,
    numeric,
    paired,
    regression,
    repeats,
    table,
)
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.counters import CounterState
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.hours import HourState
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.paired import PairedState
from spark_monitor.states.regression import RegressionState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.table import TableState

State = (
    NumericState
    | CategoricalState
    | TableState
    | CounterState
    | HourState
    | RepeatState
    | CovarianceState
    | CoverageState
    | ScoreState
    | ConfusionState
    | RegressionState
    | ClassScoresState
    | GroupedState
    | CellErrorsState
    | PairedState
)

STATES: Mapping[str, type[State]] = MappingProxyType(
    {
        numeric.TAG: NumericState,
        categorical.TAG: CategoricalState,
        table.TAG: TableState,
        counters.TAG: CounterState,
        hours.TAG: HourState,
        repeats.TAG: RepeatState,
        covariance.TAG: CovarianceState,
        coverage.TAG: CoverageState,
        binary.TAG: ScoreState,
        confusion.TAG: ConfusionState,
        regression.TAG: RegressionState,
        class_scores.TAG: ClassScoresState,
        grouped.TAG: GroupedState,
        cell_errors.TAG: CellErrorsState,
        paired.TAG: PairedState,
    }
)

__all__ = [
    "STATES",
    "CategoricalState",
    "CellErrorsState",
    "ClassScoresState",
    "ConfusionState",
    "CounterState",
    "CovarianceState",
    "CoverageState",
    "GroupedState",
    "HourState",
    "NumericState",
    "PairedState",
    "RegressionState",
    "RepeatState",
    "ScoreState",
    "State",
    "TableState",
    "profile_column",
]
