"""What the rules of a first file are made of, and a rule with what speaks for it. No Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spark_monitor.commands.baseline_looks import BaselineLooks
from spark_monitor.commands.quality_guesses import QualityGuess
from spark_monitor.commands.roles import Roles


@dataclass(frozen=True)
class RuleLine:
    """One rule as keys and values, and why it is as it is."""

    rule: Mapping[str, Any]
    evidence: str


@dataclass(frozen=True)
class Seen:
    """What the rules are made of: the columns' roles, how time is cut, the baseline's rows, what was guessed of values.

    ``window_rows`` are those of the baseline's average window, ``categories`` is how many values each text column has, and
    ``missing`` which percent of a column is NULL there.
    """

    roles: Roles
    every: str
    has_baseline: bool
    baseline_rows: int | None = None
    window_rows: int | None = None
    categories: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    quality: Sequence[QualityGuess] = ()
    classes: Sequence[float] = ()
    """The fractions of the baseline's labels that are of each class, of two classes the one that means yes first."""

    classes_moved: float = 0.0
    """How far the labels of the baseline's own windows surely are from all of them."""

    error: float | None = None
    """The root of the mean squared error on the labelled baseline."""

    signed: Sequence[str] = ()
    """Numbers of both signs, of so many values that a factor between two windows can be read."""

    infinite: Mapping[str, float] = field(default_factory=dict)
    """Which percent of a column is infinite in the baseline."""

    looks: BaselineLooks = field(default_factory=BaselineLooks)
