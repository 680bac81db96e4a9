"""How often the rules that `init` writes raise a false alarm where nothing drifts, and how soon they find a planted shift.

Without Spark: rows are drawn and counted by the states of the product, compared and judged as blocks. Every feature has a
baseline of its own windows and the judged windows after it, in all rows and in slices. `--columns 300` is the whole of it;
printed are checks, what they say, and incidents: a column's failing windows, one after the other, are one.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.commands.first_rules import proposed_rules
from spark_monitor.commands.roles import Roles
from spark_monitor.commands.seen import Seen
from spark_monitor.config.rules import RuleConfig
from spark_monitor.distances.compare import compared
from spark_monitor.kernel.replayed import WHOLE, Comparison, ReplayPlan, Slice, block_of, judged_rows, stream_rows
from spark_monitor.rules.learned import own_windows
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.states.categorical import CategoricalState, freeze_categories
from spark_monitor.states.grid import INNER_EDGES, Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState

BASELINE_WINDOWS: Final = 8
WINDOWS: Final = 20
SLICES: Final = 10
SHIFT: Final = 0.05
SIZES: Final = (1_000, 10_000, 100_000)
DAY: Final = 86_400_000_000
KINDS: Final = ("normal", "lognormal", "counts", "nulls", "zeros", "five", "thirty", "fifty")
"""Numbers that are smooth, skewed, whole, half missing, mostly zero; strings of so many values."""


@dataclass
class Found:
    """What came out of one feature or of many."""

    checks: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    failing: list[tuple[str, str, int, Slice]] = field(default_factory=list)
    incidents: int = 0
    first_found: list[int | None] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Another's numbers too."""
        self.checks += other.checks
        self.verdicts += other.verdicts
        self.failing += other.failing
        self.incidents += other.incidents
        self.first_found += other.first_found


def rules(baseline_rows: int) -> Rulebook:
    """The rules that a first file would have for such columns."""
    texts = {"five": 5, "thirty": 30, "fifty": 50}
    roles = Roles(task="none", time="at", id="id", strings=tuple(texts))
    seen = Seen(roles, "1 day", has_baseline=True, baseline_rows=baseline_rows, categories=texts)
    return Rulebook.of([RuleConfig.model_validate(line.rule) for line in proposed_rules(seen)])


def feature(kind: str, random: np.random.Generator, *, rows: int, windows: int, shift: float | None, book: Rulebook) -> Found:
    """One feature: its baseline frozen, its windows judged; with ``shift`` that share of later rows is moved to the far end."""
    parts = [draw(kind, random, rows) for _ in range(BASELINE_WINDOWS + windows)]
    if shift is not None:
        parts[BASELINE_WINDOWS:] = [shifted(part, random, shift) for part in parts[BASELINE_WINDOWS:]]
    shares = random.dirichlet(np.full(SLICES, 5.0))
    slices = [random.choice(SLICES, size=rows, p=shares) for _ in parts]
    frame = frame_of(np.concatenate(parts[:BASELINE_WINDOWS]))
    plan = ReplayPlan({}, book, "1 day", "UTC")
    measurements: list[dict[str, Any]] = []
    for place in (None, *range(SLICES)):
        key: Slice = WHOLE if place is None else ("s", str(place))
        windows_of_slice = [part if place is None else part[codes == place] for part, codes in zip(parts, slices, strict=True)]
        states = [state_of(part, frame) for part in windows_of_slice]
        baseline = state_of(np.concatenate(windows_of_slice[:BASELINE_WINDOWS]), frame)
        current = block_of(states)
        places = [(DAY * number, key, None) for number in range(len(states))]
        frozen = block_of([baseline] * len(states))
        measurements += stream_rows(kind, Comparison(places, current, compared(frozen, current)), plan)
    before = [row for row in measurements if row["start"] < BASELINE_WINDOWS * DAY and row["slice_key"] is None]
    later = [row for row in measurements if row["start"] >= BASELINE_WINDOWS * DAY]
    return counted(kind, judged_rows(later, plan, own_windows(before)), windows, shift is not None)


def counted(kind: str, checks: Sequence[dict[str, Any]], windows: int, is_shifted: bool) -> Found:
    """Checks as numbers."""
    failing = [check for check in checks if check["broken"]]
    starts = sorted({check["start"] // DAY - BASELINE_WINDOWS for check in failing})
    alarms = [
        (kind, check["metric"], check["start"] // DAY - BASELINE_WINDOWS, (check["slice_key"], check["slice_value"]))
        for check in failing
    ]
    opened = sum(start - 1 not in starts for start in starts)
    whole = [check["start"] // DAY - BASELINE_WINDOWS for check in failing if check["slice_key"] is None]
    first = [min(whole) + 1 if whole else None] if is_shifted else []
    return Found(len(checks), Counter(check["verdict"] for check in checks), alarms, opened, first)


def draw(kind: str, random: np.random.Generator, rows: int) -> np.ndarray:
    """Values of one kind of feature; strings as strings."""
    if kind in ("five", "thirty", "fifty"):
        size = {"five": 5, "thirty": 30, "fifty": 50}[kind]
        weights = 1 / np.arange(1, size + 1)
        return np.array([f"c{n}" for n in range(size)])[random.choice(size, size=rows, p=weights / weights.sum())]
    values = random.normal(size=rows) if kind in ("normal", "nulls") else random.lognormal(size=rows)
    if kind == "counts":
        return random.poisson(3.0, size=rows).astype(np.float64)
    if kind == "nulls":
        values[random.random(rows) < 0.6] = np.nan
    if kind == "zeros":
        values[random.random(rows) < 0.8] = 0.0
    return values


def shifted(values: np.ndarray, random: np.random.Generator, distance: float) -> np.ndarray:
    """The values, a fraction of them moved to the greatest one: that is then the KS distance, of strings the total variation."""
    greatest = max(values.tolist()) if values.dtype.kind == "U" else np.nanmax(values)
    at_end = np.mean(values == greatest)
    moved = values.copy()
    moved[(random.random(values.size) < distance / (1 - at_end)) & (values == values)] = greatest
    return moved


def frame_of(values: np.ndarray) -> Any:
    """A grid at the quantiles of numbers, the categories of strings."""
    names, counts = np.unique(values[values == values], return_counts=True)
    if values.dtype.kind == "U":
        return freeze_categories(list(zip(names.tolist(), counts.tolist(), strict=True)))
    atoms = names[counts * 2 * (INNER_EDGES + 1) >= values.size]
    ranks = np.arange(1, INNER_EDGES + 1) / (INNER_EDGES + 1)
    return grid_from_quantiles(np.quantile(np.repeat(names, counts), ranks), atoms, float(names[0]), float(names[-1]))


def state_of(values: np.ndarray, frame: Any) -> Any:
    """The state of one window or slice."""
    if isinstance(frame, Grid):
        finite = values[values == values]
        return NumericState.empty(frame).as_slice().update(finite, nulls=values.size - finite.size)
    return CategoricalState.empty(frame).as_slice().update(pa.array(values))


def simulated(
    rows: int, *, features: int, windows: int, shift: float | None = None, seed: int = 20130101, kinds: Sequence[str] = KINDS
) -> Found:
    """Many features, each of its own kind."""
    random, book = np.random.default_rng([seed, rows, shift is not None]), rules(rows * BASELINE_WINDOWS)
    total = Found()
    for number in range(features):
        total.add(feature(kinds[number % len(kinds)], random, rows=rows, windows=windows, shift=shift, book=book))
    return total


def report(rows: int, features: int, windows: int) -> Iterator[str]:
    """What is printed of one size."""
    began = time.process_time()
    quiet = simulated(rows, features=features, windows=windows)
    yield f"{rows:,} rows a window: {quiet.checks:,} checks, {dict(quiet.verdicts)}, {quiet.incidents} false incidents"
    yield from (f"  false: {one}" for one in quiet.failing[:20])
    planted = simulated(rows, features=2 * len(KINDS), windows=5, shift=SHIFT)
    yield f"  planted D = {SHIFT}: found after so many windows: {planted.first_found} ({time.process_time() - began:.0f} s)"


def main(arguments: argparse.Namespace) -> None:
    """Print the false alarms and the planted shifts of every size up to ``--rows``, of ``--columns`` features."""
    for rows in (size for size in SIZES if size <= arguments.rows):
        for line in report(rows, arguments.columns, WINDOWS):
            print(line, flush=True)
