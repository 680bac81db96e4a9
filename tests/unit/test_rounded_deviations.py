"""Integers beyond 2^53: a standard deviation is told only where rounding to doubles cannot be what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.presented import NO_DEVIATION, ROUNDED, present_numeric

EXACT = float(2**53)


def deviation(values: list[int]) -> tuple[float | None, str | None]:
    """As it is shown, with its message."""
    state = NumericState.empty(Grid.trivial()).update([float(value) for value in values])
    row = present_numeric(replace(NumericBlock.of([state]), exact_to=EXACT))
    return row["stddev"][0].as_py(), row["message"][0].as_py()


def exact(values: list[int]) -> float:
    """In integers, but for the root."""
    n, total = len(values), sum(values)
    return ((sum(value * value for value in values) * n - total * total) / (n * (n - 1))) ** 0.5


@pytest.mark.parametrize("near", [2**53, 2**60, 2**63 - 2000, -(2**60), 10**17])
@pytest.mark.parametrize("spread", [1, 96, 2000, 10**5, 10**9, 10**15])
def test_a_deviation_of_large_integers_is_right_to_a_thousandth_or_none(near: int, spread: int) -> None:
    dice = np.random.default_rng(3)
    values = [near - int(step) for step in dice.integers(0, spread + 1, 400)]
    shown, message = deviation(values)
    if shown is None:
        assert message == NO_DEVIATION
    else:
        assert shown == pytest.approx(exact(values), rel=1.001e-3)
        assert message in (ROUNDED, None)


def test_values_close_together_have_none_and_ids_far_apart_have_one() -> None:
    assert deviation([2**60 + step for step in range(97)]) == (None, NO_DEVIATION)
    ids = [2**60 + 10**12 * step for step in range(97)]
    assert deviation(ids) == (pytest.approx(exact(ids), rel=1e-9), ROUNDED)
    assert deviation([2**60, 2**60]) == (None, NO_DEVIATION)
    assert deviation([5, 5]) == (0.0, None)
