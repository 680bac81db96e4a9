"""The vocabulary of rules: the metrics a rule may name, and thresholds such as "< 0.65"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from spark_monitor.errors import ConfigError

Family = Literal["profile", "drift", "model"]
Operator = Literal["<", "<=", ">", ">="]

_PROFILE = (
    "count percent_null percent_nan percent_zeros percent_distinct num_nulls num_nan num_inf "
    "avg stddev min max median distinct_count"
)
_DRIFT = (
    "ks population_stability_index js_distance wasserstein_distance hellinger_distance tv_distance l_infinity_distance "
    "chi_squared_test percent_null_delta avg_delta count_delta percent_zeros_delta percent_distinct_delta"
)
_MODEL = (
    "roc_auc_score log_loss brier_score accuracy_score balanced_accuracy_score precision recall f1_score base_rate "
    "mean_absolute_error mean_squared_error root_mean_squared_error r2_score mean_absolute_percentage_error mean_error "
    "precision_macro recall_macro f1_score_macro precision_weighted recall_weighted f1_score_weighted "
    "expected_calibration_error label_coverage label_duplicates label_conflicts"
)

KNOWN_METRICS: Final[dict[str, Family]] = {
    **dict.fromkeys(_PROFILE.split(), "profile"),
    **dict.fromkeys(_DRIFT.split(), "drift"),
    **dict.fromkeys(_MODEL.split(), "model"),
}
"""Every metric a rule may name, and the family whose table holds it. Drift is drift from the baseline."""

_SCORED = "roc_auc_score log_loss brier_score expected_calibration_error"
_LABELS = "label_coverage label_duplicates label_conflicts"
_CLASSES = "accuracy_score balanced_accuracy_score precision recall f1_score"
_AVERAGED = "precision_macro recall_macro f1_score_macro precision_weighted recall_weighted f1_score_weighted"
_REGRESSION = "mean_absolute_error mean_squared_error root_mean_squared_error r2_score mean_absolute_percentage_error mean_error"

SCORED_METRICS: Final = frozenset(_SCORED.split())
"""Metrics that are computed from a score."""

METRICS_OF_TASK: Final[dict[str, frozenset[str]]] = {
    "binary": frozenset(f"{_SCORED} {_CLASSES} base_rate {_LABELS}".split()),
    "multiclass": frozenset(f"{_CLASSES} {_AVERAGED} {_LABELS}".split()),
    "regression": frozenset(f"{_REGRESSION} {_LABELS}".split()),
    "none": frozenset(),
}
"""The metrics of a model that each task has."""

_SHARES = (
    "ks js_distance hellinger_distance tv_distance l_infinity_distance chi_squared_test roc_auc_score brier_score base_rate "
    "expected_calibration_error label_coverage"
)
_PERCENTAGES = "percent_null percent_nan percent_zeros percent_distinct"
_PERCENTAGE_DELTAS = "percent_null_delta percent_zeros_delta percent_distinct_delta"
_NOT_NEGATIVE = (
    "count num_nulls num_nan num_inf stddev distinct_count population_stability_index wasserstein_distance log_loss "
    "mean_absolute_error mean_squared_error root_mean_squared_error mean_absolute_percentage_error "
    "label_duplicates label_conflicts"
)

RANGES: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(f"{_SHARES} {_CLASSES} {_AVERAGED}".split(), (0.0, 1.0)),
    **dict.fromkeys(_PERCENTAGES.split(), (0.0, 100.0)),
    **dict.fromkeys(_PERCENTAGE_DELTAS.split(), (-100.0, 100.0)),
    **dict.fromkeys(_NOT_NEGATIVE.split(), (0.0, math.inf)),
    "r2_score": (-math.inf, 1.0),
}
"""The least and the greatest value of the metrics that cannot have any; ``chi_squared_test`` is judged by Cramer's V."""

METRIC_ALIASES: Final[dict[str, str]] = {
    "ks_test": "ks",
    "psi": "population_stability_index",
    "js": "js_distance",
    "wasserstein": "wasserstein_distance",
    "bias": "mean_error",
}
"""Other names that people write, and the name that is stored."""

_OPERATORS: Final[dict[str, Operator]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_THRESHOLD = re.compile(r"\s*(<=|>=|<|>)?\s*([^\s<>=]+)\s*")


def canonical_metric(name: str) -> str:
    """The stored name of a metric; unknown names are returned as they are.

    >>> canonical_metric("psi"), canonical_metric("ks")
    ('population_stability_index', 'ks')
    """
    return METRIC_ALIASES.get(name, name)


@dataclass(frozen=True)
class Threshold:
    """One side of the number line that a metric must stay off: ``> 5`` is broken by 5.1 and not by 5."""

    operator: Operator
    value: float

    def text(self) -> str:
        """The threshold as a person writes it.

        >>> parse_threshold(5).text(), parse_threshold("<0.65").text()
        ('> 5', '< 0.65')
        """
        return f"{self.operator} {self.value:.15g}"

    @property
    def is_upper(self) -> bool:
        """Whether large values break it."""
        return self.operator in (">", ">=")

    def is_broken_by(self, number: float) -> bool:
        """Whether a number lies on the forbidden side; NaN lies on no side.

        >>> Threshold(">", 5.0).is_broken_by(5.0), Threshold(">=", 5.0).is_broken_by(5.0)
        (False, True)
        """
        broken = {">": number > self.value, ">=": number >= self.value, "<": number < self.value, "<=": number <= self.value}
        return broken[self.operator]

    def is_out_of_reach(self, least: float, greatest: float) -> bool:
        """Whether no number of [least, greatest] breaks it.

        >>> parse_threshold(1).is_out_of_reach(0, 1), parse_threshold(">= 1").is_out_of_reach(0, 1)
        (True, False)
        """
        return not self.is_broken_by(greatest if self.is_upper else least)

    def is_beyond(self, other: Threshold) -> bool:
        """Whether this threshold, on the same side, is reached only after the other.

        >>> parse_threshold(10).is_beyond(parse_threshold(5)), parse_threshold("< 1").is_beyond(parse_threshold("< 2"))
        (True, True)
        """
        return self.value > other.value if self.is_upper else self.value < other.value


def parse_threshold(written: object) -> Threshold:
    """The threshold that a number or a text names; a number t means "> t".

    >>> parse_threshold(5), parse_threshold("< 0.65")
    (Threshold(operator='>', value=5.0), Threshold(operator='<', value=0.65))
    """
    if isinstance(written, Threshold):
        return written
    readable = isinstance(written, int | float | str) and not isinstance(written, bool)
    match = _THRESHOLD.fullmatch(str(written)) if readable else None
    value = _number(match[2]) if match else math.nan
    if match is None or not math.isfinite(value):
        found = f'"{written}"' if readable else f"a {type(written).__name__}"
        allowed = 'a finite number t, meaning "> t", or a text such as "< 0.65", "<= 3", "> 5", ">= 1"'
        raise ConfigError(f"found {found}. Allowed: {allowed}.")
    return Threshold(_OPERATORS[match[1] or ">"], value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
