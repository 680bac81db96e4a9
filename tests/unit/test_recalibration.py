"""Final windows calibrate later ones: which they are follows from the window alone, and few labels change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.diagnosis.falls import Score
from spark_monitor.errors import StateError
from spark_monitor.estimation.agreement import ENOUGH_ROWS
from spark_monitor.estimation.estimator import estimated_rows, estimator
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.recalibration import BUCKETS, CALIBRATION, KIND, Recalibrating, Recalibration
from spark_monitor.kernel.scored_states import SCORE
from spark_monitor.stages.falls import Asked, fall
from spark_monitor.states.named_arrays import NAMED, stored_arrays
from spark_monitor.states.scores import ScoreState, score_grid

DAY = 86_400_000_000
GRID = score_grid()


def asked(windows: range, *, horizon: int = 2, reach: int = 5) -> Recalibrating:
    keys = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in windows)
    return Recalibrating(keys, horizon * DAY, reach * DAY, SCORE, GRID)


def stored(day: int, rows: int, *, version: str | None = "1", power: float = 1.0) -> dict[str, Any]:
    random = np.random.default_rng(day)
    scores = random.random(rows)
    state = ScoreState.empty(GRID).update(random.random(rows) < scores**power, scores)
    own = {"granularity": "1 day", "kind": "score", "model_version": version, "start": day * DAY, "end": (day + 1) * DAY}
    return {**own, "labelled": rows, "state": state.to_bytes()}


def made(asked: Recalibrating, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    states = pa.StructArray.from_arrays(stored_arrays([row["state"] for row in rows]), fields=[*NAMED])
    known = pa.RecordBatch.from_pylist([{name: value for name, value in row.items() if name != "state"} for row in rows])
    spread = [row for batch in asked.spread([known.append_column("state", states)]) for row in batch.to_pylist()]
    spread.sort(key=lambda row: (row["granularity"], row["start"], row["end"], str(row["model_version"]), -row["until"]))
    batches = [pa.RecordBatch.from_pylist(spread)] if spread else []
    return [row for batch in asked.merge(batches) for row in batch.to_pylist()]


def read(row: dict[str, Any]) -> Recalibration:
    return Recalibration.from_bytes(SCORE, row[CALIBRATION], GRID)


def test_only_windows_whose_labels_were_final_within_reach_calibrate() -> None:
    found = made(asked(range(20, 21)), [stored(day, 1000 + day) for day in range(25)])
    assert len(found) == BUCKETS
    assert {row["kind"] for row in found} == {KIND}
    one = read(found[0])
    # Day 20 ends at 21; labels take 2 days: days that ended by 19 are final, and those that began by 14 are not too old.
    assert (one.start // DAY, one.end // DAY) == (14, 19)
    assert one.state.count == sum(1000 + day for day in range(14, 19))


def test_a_backfill_finds_the_calibrations_of_the_days() -> None:
    rows = [stored(day, 1000) for day in range(30)]
    together = {row["start"]: row[CALIBRATION] for row in made(asked(range(30)), rows)}
    for day in (0, 4, 5, 17, 29):
        alone = made(asked(range(day, day + 1)), [row for row in rows if row["start"] <= day * DAY])
        assert {row["start"]: row[CALIBRATION] for row in alone} == ({day * DAY: together[day * DAY]} if alone else {})
    assert min(together) // DAY == 3


def test_windows_beyond_enough_rows_are_left_out_and_few_rows_calibrate_nothing() -> None:
    many = read(made(asked(range(20, 21)), [stored(day, ENOUGH_ROWS // 2) for day in range(20)])[0])
    assert (many.start // DAY, many.end // DAY) == (17, 19)
    assert made(asked(range(20, 21)), [stored(day, 300) for day in range(20)]) == []


def test_versions_calibrate_themselves_alone() -> None:
    rows = [stored(day, 1000, version=version) for day in range(20) for version in ("1", None)]
    rows += [stored(18, 10, version="new")]
    assert {(row["model_version"], row["bucket"]) for row in made(asked(range(20, 21)), rows)} == {
        (version, bucket) for version in ("1", None) for bucket in range(BUCKETS)
    }


def test_estimates_follow_a_concept_that_final_windows_show() -> None:
    random = np.random.default_rng(4)
    scores = random.random(20_000)
    known = estimator(7, ScoreState.empty(GRID).update(random.random(20_000) < scores, scores))
    assert known is not None
    one = read(made(asked(range(20, 21)), [stored(day, 4000, power=3.0) for day in range(20)])[0])
    later = random.random(3000)
    answers = ScoreState.empty(GRID).update(later >= 0.5, later)
    before, after = ({row["metric"]: row for row in estimated_rows(answers, each)} for each in (known, one.estimator(known)))
    assert before["base_rate"]["lower"] < later.mean() < before["base_rate"]["upper"]
    assert after["base_rate"]["lower"] < (later**3).mean() < after["base_rate"]["upper"]
    assert (
        "calibration 7@1970-01-20, the final windows from 1970-01-15 to 1970-01-20 (20,000 labelled"
        in (after["base_rate"]["message"])
    )
    assert one.estimator(known).span == (datetime(1970, 1, 15, tzinfo=UTC), datetime(1970, 1, 20, tzinfo=UTC))


def test_labels_of_one_kind_leave_the_baselines_calibration() -> None:
    random = np.random.default_rng(5)
    scores = random.random(5000)
    known = estimator(1, ScoreState.empty(GRID).update(random.random(5000) < scores, scores))
    assert known is not None
    same = Recalibration(ScoreState.empty(GRID).update(np.zeros(5000, dtype=bool), scores), 0, DAY)
    assert same.estimator(known) is known
    with pytest.raises(StateError, match="too few"):
        Recalibration.from_bytes(SCORE, b"short", GRID)


def test_a_fall_is_held_against_an_estimate_that_the_incident_did_not_calibrate() -> None:
    whole = (None, None)
    values: dict[Any, Score] = {
        ("auc", "1", start, basis, whole): Score(value, 100.0)
        for start, basis, value in (
            *((1, "REALISED", 0.8), (1, "ESTIMATED", 0.8), (2, "REALISED", 0.62), (2, "ESTIMATED", 0.79)),
            *((9, "REALISED", 0.6), (9, "ESTIMATED", 0.6)),
        )
    }
    by_opening = fall(Asked("auc", "1 day", whole, True, (("1", 9),), (1,), (("1", 2),)), values)
    by_worst = fall(Asked("auc", "1 day", whole, True, (("1", 9),), (1,), (("1", 9),)), values)
    assert by_opening is not None
    assert by_worst is not None
    assert (by_opening.expected_part, by_worst.expected_part) == (0.05, 1.0)
