"""What the rule of `init` for labels costs where their classes stay as they are, and how soon it finds a class that doubles.

Without Spark: monitors of 2 to 20 classes whose fractions are drawn at random, rare ones included; the product's distance, its
limit and its verdict. The fractions of `moving` monitors differ from window to window by 5 % of themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from spark_monitor.commands.first_rules import proposed_rules
from spark_monitor.commands.label_spreads import COMMON
from spark_monitor.commands.roles import Roles
from spark_monitor.commands.seen import Seen
from spark_monitor.config.rules import RuleConfig
from spark_monitor.distances.class_shares import by_chance
from spark_monitor.distances.label_shift import LabelBlock, label_shift
from spark_monitor.rules.verdicts import Measurement, ruling

BASELINE_WINDOWS: Final = 8
WINDOWS: Final = 20
MONITORS: Final = 500
SIZES: Final = (1_000, 10_000, 100_000)
MOST_CLASSES: Final = 20
MOVING: Final = 0.05
UNEVEN: Final = (0.3, 1.0, 5.0)
"""Concentrations of Dirichlet's distribution: a few classes that have nearly everything, anything, all about alike."""


@dataclass(frozen=True)
class Priors:
    """What one size costs: false incidents, the verdicts on windows as they are, and the window that finds each doubled class."""

    false: int
    undecided: float
    found: tuple[int | None, ...]


def priors(random: np.random.Generator) -> np.ndarray:
    """The fractions of 2 to 20 classes."""
    return random.dirichlet(np.full(random.integers(2, MOST_CLASSES + 1), random.choice(UNEVEN)))


def doubled(shares: np.ndarray, place: int) -> np.ndarray:
    """The fractions with one class twice as frequent, at the cost of all others."""
    others = (1 - 2 * shares[place]) / (1 - shares[place])
    return np.where(np.arange(shares.size) == place, 2 * shares, shares * others)


def verdicts(baseline: np.ndarray, windows: np.ndarray) -> list[str]:
    """What the rule of a first file says of each window's counts of classes; ``baseline`` has those of its own windows."""
    before = baseline.sum(axis=0)
    shares, rows = before / before.sum(), baseline.sum(axis=1)
    reach = by_chance(shares[before > 0]) * np.sqrt(1 / rows - 1 / rows.sum())
    moved = max(float(np.max(np.abs(baseline / rows[:, None] - shares).sum(axis=1) / 2 - reach)), 0.0)
    roles = Roles(task="multiclass" if before.size > len(("no", "yes")) else "binary", time="at", id="id", label="label")
    total = int(before.sum())
    seen = Seen(roles, "1 day", has_baseline=True, baseline_rows=total, window_rows=total // BASELINE_WINDOWS)
    seen = Seen(**{**seen.__dict__, "classes": shares[before > 0].tolist(), "classes_moved": moved})
    rule = RuleConfig.model_validate(next(line.rule for line in proposed_rules(seen) if line.rule["metric"] == "label_shift"))
    counts = windows.sum(axis=1)
    found = label_shift(LabelBlock(np.full(len(windows), total), np.tile(before, (len(windows), 1))), LabelBlock(counts, windows))
    rows = zip(found.value, found.lower, found.upper, counts, strict=True)
    return [
        ruling(Measurement("label_shift", value=float(value), lower=float(low), upper=float(high), count=int(n)), rule).verdict
        for value, low, high, n in rows
    ]


def simulated(rows: int, *, monitors: int = MONITORS, moving: float = 0.0, seed: int = 20130101) -> Priors:
    """Monitors of one size, each without a change and with one common class doubled."""
    random, false, undecided = np.random.default_rng([seed, rows]), 0, 0
    found: list[int | None] = []
    for _ in range(monitors):
        shares = priors(random)
        before = np.array([random.multinomial(rows, varied(shares, random, moving)) for _ in range(BASELINE_WINDOWS)])
        quiet = verdicts(before, np.array([random.multinomial(rows, varied(shares, random, moving)) for _ in range(WINDOWS)]))
        fails = [verdict == "FAIL" for verdict in quiet]
        false += sum(now and not last for last, now in zip([False, *fails], fails, strict=False))
        undecided += quiet.count("UNDECIDED")
        common = np.flatnonzero((shares >= COMMON) & (shares <= 0.5))
        if common.size:
            later = doubled(shares, int(random.choice(common)))
            after = verdicts(before, np.array([random.multinomial(rows, varied(later, random, moving)) for _ in range(5)]))
            found.append(after.index("FAIL") + 1 if "FAIL" in after else None)
    return Priors(false, undecided / (monitors * WINDOWS), tuple(found))


def varied(shares: np.ndarray, random: np.random.Generator, moving: float) -> np.ndarray:
    """The fractions of one window, each moved by that part of itself at random."""
    moved = shares * np.exp(moving * random.normal(size=shares.size))
    return np.asarray(moved / moved.sum())


def report(rows: int, moving: float) -> Iterator[str]:
    """What is printed of one size."""
    seen = simulated(rows, moving=moving)
    within = [sum(one is not None and one <= number for one in seen.found) for number in (1, 2)]
    yield (
        f"{rows:,} labels a window, classes that vary by {moving:.0%}: {seen.false} false incidents of {MONITORS} monitors x "
        f"{WINDOWS} windows, {seen.undecided:.0%} undecided; of {len(seen.found)} doubled classes {within[0]} found in the first "
        f"window, {within[1]} by the second, {sum(one is None for one in seen.found)} not in five"
    )


def main(arguments: argparse.Namespace) -> None:
    """Print what every size up to ``--rows`` costs and finds."""
    for moving in (0.0, MOVING):
        for rows in (size for size in SIZES if size <= arguments.rows):
            for line in report(rows, moving):
                print(line, flush=True)
