"""Integers that are names are held against the ones that the baseline had, and their exchange is told, as of strings."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.looks import Evidence, Look, Measured
from spark_monitor.quality.column_block import ColumnBlock
from spark_monitor.quality.permutation import category_permutation
from spark_monitor.sources.baseline import CODES, FrozenColumn
from spark_monitor.sources.readers.rows import Kind
from spark_monitor.stages.first_pass import _framed, facts_of, grid_of
from spark_monitor.stages.quality_plan import known_codes
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from tests.looks import look_at

SHOPS = [101, 102, 210, 305, 318, 402]


def frozen(name: str, values: np.ndarray, data_type: str = "int") -> FrozenColumn:
    state = NumericState.empty(Grid.trivial()).update(values.astype(np.float64))
    facts = facts_of(state, name)
    return FrozenColumn(name, data_type, Kind.NUMERIC, grid_of(state, every_value=CODES in facts), None, facts)


def config(**columns: str) -> MonitorConfig:
    about = {"id": "id", "time": "at", "model_version": {"literal": "1"}, "prediction": "p", "table": "t"}
    base = {"monitor": "m", "model": {"name": "m", "task": "none"}, "predictions": about, "outputs": {"schema": "s"}}
    return MonitorConfig.model_validate({**base, "columns": columns})


@pytest.mark.parametrize("seed", range(5))
def test_every_code_is_known_however_rare_and_however_many_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = np.sort(random.choice(np.arange(50, 900), int(random.integers(4, 29)), replace=False))
    codes[:2] = 50, 57  # no common divisor but 1
    rows = np.concatenate([random.choice(codes, 40_000, p=random.dirichlet(np.full(codes.size, 0.3))), codes])

    assert known_codes(config(), frozen("shop", rows)) == tuple(sorted({float(code) for code in codes}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("late_payments", np.random.default_rng(1).poisson(0.4, 5000)),
        ("items", np.random.default_rng(1).poisson(3, 5000) + 1),
        ("visits", np.random.default_rng(1).geometric(0.3, 5000)),
        ("triage", np.random.default_rng(1).integers(1, 6, 5000)),
        ("hour", np.random.default_rng(1).integers(0, 24, 5000)),
        ("seats", np.array([50, 100, 150, 200] * 9)),
        ("plane_year", np.random.default_rng(1).integers(1960, 2013, 5000)),
        ("age", np.random.default_rng(1).normal(42, 12, 5000).round()),
        ("floors", np.array([-2, 5, 17, 40])),
        ("share", np.array([0.1, 7.0, 19.0, 40.0])),
    ],
)
def test_counts_hours_years_and_measurements_are_no_codes(name: str, values: np.ndarray) -> None:
    assert known_codes(config(), frozen(name, values)) is None


def test_the_name_of_a_column_or_its_file_decides_as_well() -> None:
    few = np.array([1, 2, 3, 4] * 20)

    assert known_codes(config(), frozen("region_code", few)) == (1.0, 2.0, 3.0, 4.0)
    assert known_codes(config(region_code="numeric"), frozen("region_code", few)) is None


def block(counts: dict[int, int], *, codes: bool) -> ColumnBlock:
    rows, nothing = np.array([sum(counts.values())]), np.array([np.nan])
    items = [(str(code), count) for code, count in counts.items()]
    one = dict.fromkeys(("min", "max", "mean", "stddev", "empties"), nothing)
    return ColumnBlock(
        count=rows,
        nulls=np.array([0]),
        numeric=np.array([True]),
        codes=np.array([codes]),
        distinct_count=np.array([float(len(counts))]),
        quantiles=np.full((1, 101), np.nan),
        items=[items],
        **one,
    )


def test_exchanged_codes_are_told_and_exchanged_quantities_have_no_row() -> None:
    before, now = {101: 700, 102: 200, 210: 100}, {101: 100, 102: 200, 210: 700}

    told = category_permutation(block(now, codes=True), block(before, codes=True))
    other = category_permutation(block(now, codes=False), block(before, codes=False))

    assert (told.value.tolist(), told.details) == ([1.0], [{"101": "210", "210": "101"}])
    assert other.statuses.tolist() == ["NOT_MEANT"]


def look(counts: dict[int, int]) -> Look:
    values = np.repeat(list(counts), list(counts.values())).astype(np.float64)
    return look_at(values, {str(code): count for code, count in counts.items()})


@pytest.mark.parametrize(("code", "kind"), [(7700, "unseen_category"), (999, "sentinel")])
def test_a_code_far_from_all_others_is_a_new_name_unless_it_is_a_usual_placeholder(code: int, kind: str) -> None:
    was = look(dict(zip(SHOPS, [300, 200, 200, 100, 100, 100], strict=True)))
    now = look({**dict(zip(SHOPS, [240, 160, 160, 80, 80, 80], strict=True)), code: 200})

    found = finding_of(Evidence(now, was, was, {"percent_unseen": Measured(20.0)}), frozenset({"percent_unseen"}))

    assert found.kind == kind
    assert str(code) in found.what


@pytest.mark.parametrize(
    ("grade", "kind"),
    [(6, "unseen_category"), (77, "unseen_category"), (-1, "sentinel"), (99, "sentinel"), (99999999, "sentinel")],
)
def test_another_grade_than_a_few_is_a_new_value_and_no_placeholder(grade: int, kind: str) -> None:
    was, now = look({1: 30, 2: 120, 3: 380, 4: 330, 5: 140}), look({1: 12, 2: 50, 3: 150, 4: 130, 5: 58, grade: 100})

    found = finding_of(Evidence(now, was), frozenset({"ks"}))

    assert (found.kind, str(grade) in found.what) == (kind, True)


@pytest.mark.parametrize("data_type", ["double", "float", "bigint", "decimal(5,0)"])
def test_integers_that_are_written_as_doubles_can_be_names(data_type: str) -> None:
    column = frozen("region", np.array([11.0, 24.0, 32.0, 75.0, 93.0] * 20), data_type)
    frame = {"grid": column.grid.edges.tolist(), "categories": None, "facts": column.facts}  # type: ignore[union-attr]

    assert known_codes(config(), _framed(column, frame)) == (11.0, 24.0, 32.0, 75.0, 93.0)


@pytest.mark.parametrize("data_type", ["timestamp", "date", "boolean", "decimal(5,2)"])
def test_times_and_amounts_are_no_names_whatever_their_values(data_type: str) -> None:
    column = frozen("region", np.array([11.0, 24.0, 32.0, 75.0, 93.0] * 20), data_type)
    frame = {"grid": column.grid.edges.tolist(), "categories": None, "facts": column.facts}  # type: ignore[union-attr]

    assert known_codes(config(), _framed(column, frame)) is None
