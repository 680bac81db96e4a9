"""How many faults of single columns are named for what they are: random columns, a random fault in each, the product's names.

Without Spark: states, quality metrics and looks are the product's, of a baseline, a window before and the window of the fault.
`python -m benchmarks named_faults --columns 40` plants ten times as many; a wrong name is worse than none.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from benchmarks.planted_columns import BASELINE_WINDOWS, NUMERIC, QUIET, SPECIAL, TEXTUAL, Planted, numbers, texts
from benchmarks.seen_columns import named
from spark_monitor.diagnosis.findings import FAULTS, Finding

ROWS: Final = (400, 1_500, 6_000)


@dataclass
class Score:
    """How the plantings of one kind of fault were named."""

    right: int = 0
    unnamed: int = 0
    wrong: list[str] = field(default_factory=list)


def plantings(seed: int, many: int) -> Iterator[tuple[str, str, int, Planted, Finding]]:
    """Faults one after the other: its name, the kind of column, the rows of a window, what was planted, how it is named."""
    for number in range(many):
        dice = np.random.default_rng([seed, number])
        rows = int(dice.choice(ROWS))
        group = dice.random()
        if group < 0.5:
            kind, draw = numbers(dice)
            baseline, before, values = (draw(dice, n) for n in (BASELINE_WINDOWS * rows, rows, rows))
            fault = NUMERIC[int(dice.integers(len(NUMERIC)))]
            name, planted, column = fault.__name__, fault(dice, values), "x"
        elif group < 0.65:
            special = SPECIAL[int(dice.integers(len(SPECIAL)))]
            column, baseline, before, values, planted = special(dice, rows)
            name, kind = special.__name__, column
        else:
            textual = list(TEXTUAL)[int(dice.integers(len(TEXTUAL)))]
            kind, draw = texts(dice)
            while kind not in TEXTUAL[textual]:
                kind, draw = texts(dice)
            baseline, before, values = (draw(dice, n) for n in (BASELINE_WINDOWS * rows, rows, rows))
            name, planted, column = textual.__name__.strip("_"), textual(dice, kind, values), kind
        yield name, kind, rows, planted, named(column, *map(pa.array, (baseline, before, planted.values)))


def outcome(planted: Planted, found: Finding) -> str:
    """right, unnamed or wrong."""
    same_factor = (
        planted.factor is None
        or found.kind in QUIET
        or (found.factor is not None and abs(found.factor / planted.factor - 1) < 0.02)
    )
    if found.kind in planted.kinds and same_factor and planted.words in f"{found.what}: {found.conclusion or ''}":
        return "right"
    return "unnamed" if found.kind not in FAULTS else "wrong"


def scored(seed: int, many: int) -> dict[str, Score]:
    """The scores of every fault."""
    scores: dict[str, Score] = defaultdict(Score)
    for name, kind, rows, planted, found in plantings(seed, many):
        verdict, score = outcome(planted, found), scores[name]
        if verdict == "right":
            score.right += 1
        elif verdict == "unnamed":
            score.unnamed += 1
            score.wrong.append(f"  unnamed {name} of {kind}, {rows} rows")
        else:
            score.wrong.append(
                f"  WRONG {name} of {kind}, {rows} rows ({planted.factor}): {found.kind}, {found.what}: {found.conclusion}"
            )
    return dict(scores)


def main(arguments: argparse.Namespace) -> None:
    """Print how each kind of fault is named, and those that are not."""
    scores, total = scored(1, 10 * arguments.columns), Counter[str]()
    for name, score in sorted(scores.items()):
        wrong = len(score.wrong) - score.unnamed
        total.update(right=score.right, unnamed=score.unnamed, wrong=wrong)
        print(f"{name}: {score.right} right, {score.unnamed} without a name, {wrong} wrong")
        print(*score.wrong, sep="\n")
    print(dict(total))
