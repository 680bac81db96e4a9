"""The edges on which scores are counted are the same on every machine, and states of earlier releases fit them."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from spark_monitor.errors import StateError
from spark_monitor.states.binary import TAG
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Grid
from spark_monitor.states.score_grids import SWEPT, TAIL_EDGES, TAIL_END, default_score_grid, geometric, score_grid
from spark_monitor.states.scores import ScoreState


def former(uniform: int, tail: Floats) -> Floats:
    return np.concatenate([np.linspace(0.0, 1.0, uniform), tail, 1.0 - tail])


def test_the_edges_have_one_name_on_every_machine() -> None:
    assert default_score_grid().grid_id == "03dcf44fba4cc5ae"
    assert score_grid(Grid.of([0.12345])).grid_id == "7ca235fe2d02f4e5"


@pytest.mark.parametrize(("low", "high", "steps"), [(TAIL_END, 1 / 767, TAIL_EDGES), (1e-300, 1e300, 50), (3.0, 3.5, 7)])
def test_each_number_is_the_double_next_to_the_true_one(low: float, high: float, steps: int) -> None:
    getcontext().prec = 60
    found = geometric(low, high, steps)
    assert found.size == steps
    for place, number in enumerate(found.tolist()):
        # number^steps against low^(steps - place) high^place, in whole powers alone
        wanted = Decimal(low) ** (steps - place) * Decimal(high) ** place
        step = Decimal(float(np.spacing(number))) / 2
        assert (Decimal(number) - step) ** steps <= wanted <= (Decimal(number) + step) ** steps


@pytest.mark.parametrize("baseline", [None, Grid.of([0.12345, 0.9])])
@pytest.mark.parametrize("rounding", ["numpy", "library"])
def test_states_of_earlier_releases_are_read_on_the_edges_of_now(baseline: Grid | None, rounding: str) -> None:
    uniform = 768 if baseline is None else 1536
    high = float(np.linspace(0.0, 1.0, uniform)[1])
    tail = np.geomspace(TAIL_END, high, TAIL_EDGES + 1)[:-1]
    if rounding == "library":
        exponents = np.linspace(np.log10(TAIL_END), np.log10(high), TAIL_EDGES + 1)[:-1]
        tail = np.array([TAIL_END, *(10.0**exponent for exponent in exponents.tolist()[1:])])
    edges = np.concatenate([former(uniform, tail), SWEPT, [] if baseline is None else baseline.edges])
    random = np.random.default_rng(9)
    scores, labels = random.beta(0.3, 2.0, 4000), random.random(4000) < 0.2
    before = ScoreState.empty(Grid.of(edges)).update(labels, scores)

    grid = score_grid(baseline)
    read = ScoreState.from_bytes(before.to_bytes(), grid)

    again = ScoreState.empty(grid).update(labels, scores)
    assert read.grid is grid
    assert read.merge(again).count == 8000
    np.testing.assert_array_equal(read.positives, again.positives)
    np.testing.assert_array_equal(read.negatives, again.negatives)


@pytest.mark.parametrize("name", [None, [], {"a": 1}, 7, "03dcf44fba4cc5af"])
def test_states_on_any_other_edges_are_refused(name: object) -> None:
    meta, arrays = unpack(ScoreState.empty(default_score_grid()).to_bytes(), TAG)
    with pytest.raises(StateError, match="was made on grid"):
        ScoreState.from_bytes(pack(TAG, {**meta, "grid": name}, arrays), default_score_grid())
