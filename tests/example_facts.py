"""A monitor's facts, written by hand: two versions, 40 weeks, a column that drifts from September, a slice, an open incident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.answers import Answers
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.rows import (
    CheckRow,
    CountRow,
    DriftRow,
    IncidentRow,
    ModelRow,
    RunRow,
    UndecidedRow,
    VerdictRow,
)
from spark_monitor.windowing.windows import Window

FIRST_MONDAY = datetime(2013, 3, 4, tzinfo=UTC)
WEEKS = 40
DRIFT_FROM_WEEK = 27
"""2013-09-09."""

AUC, KS = "roc_auc_score", "ks"


def week(number: int) -> Window:
    """The week of a number, counted from the first."""
    start = FIRST_MONDAY + timedelta(weeks=number)
    return Window(start, start + timedelta(weeks=1))


def config(**changes: object) -> MonitorConfig:
    """The monitor of the example."""
    written: dict[str, object] = {
        "monitor": "flights_delay",
        "model": {"name": "flights_delay", "task": "binary"},
        "predictions": {"table": "demo.predictions", "id": "flight_id", "time": "predicted_at", "score": "probability"},
        "labels": {"table": "demo.labels", "id": "flight_id", "label": "late", "time": "labelled_at"},
        "windows": {"every": "1 week"},
        "slices": ["origin", "distance > 1000"],
        "rules": [{"metric": "ks", "warn": 0.1, "fail": 0.2}],
        "outputs": {"schema": "monitoring", "mlflow": {"tracking_uri": "sqlite:///mlflow.db", "experiment": "flights_delay"}},
    }
    return MonitorConfig.model_validate({**written, **changes})


def answers(*, hostile: str = "wind_speed") -> Answers:
    """What the tables of the example answer; ``hostile`` is the name of the column that drifts."""
    last, labelled = week(WEEKS - 1), week(WEEKS - 4)
    return Answers(
        counts=[CountRow(version, week(number), 5000 + 10 * number) for version in "12" for number in range(WEEKS)],
        verdicts=[
            *(VerdictRow("2", week(number), "PASS", 30, 0, 20) for number in range(WEEKS)),
            *(VerdictRow("2", week(number), "FAIL", 2, 1, 2) for number in range(DRIFT_FROM_WEEK, WEEKS)),
            VerdictRow("2", last, "UNDECIDED", 3, 0, 2),
            VerdictRow("1", last, "PASS", 30, 0, 20),
        ],
        failing=[
            CheckRow(
                "2",
                last,
                "drift",
                KS,
                "FAIL",
                hostile,
                None,
                None,
                0.412,
                0.395,
                0.43,
                "at most 0.2",
                "medium",
                "",
                "a",
                "b",
                also_slices=4,
                since=week(DRIFT_FROM_WEEK).start,
                occurrences=WEEKS - DRIFT_FROM_WEEK,
            ),
            CheckRow(
                "2", last, "drift", KS, "WARN", "temp", None, None, 0.15, 0.133, 0.168, "at most 0.2", "medium", "", "a", "b"
            ),
            CheckRow("2", last, "profile", "percent_null", "FAIL", "visib", "origin", "JFK", 97.5, 97.0, 98.0, "", "critical"),
        ],
        undecided=[
            UndecidedRow("2", KS, "UNDECIDED", 2, "ks of dewp is 0.105 (0.088 to 0.122), which holds the threshold 0.1."),
            UndecidedRow("2", AUC, "NO_DATA", 1, "No label has come yet; the horizon ends 2013-12-23."),
        ],
        incidents=[
            IncidentRow(
                "abc",
                "2",
                KS,
                hostile,
                None,
                None,
                week(DRIFT_FROM_WEEK).start,
                last.end,
                None,
                WEEKS - DRIFT_FROM_WEEK,
                "medium",
                "OPEN",
                "data-platform",
                "docs/runbooks/drift.md",
                "ks is 0.412, more than 0.2.",
            ),
            IncidentRow(
                "def",
                "1",
                "percent_null",
                "visib",
                "origin",
                "JFK",
                week(5).start,
                week(5).end,
                week(6).end,
                1,
                "critical",
                "RESOLVED",
            ),
        ],
        open_incidents={"2": 1},
        drift=[
            *(
                DriftRow("2", week(number), hostile, 0.412 if number >= DRIFT_FROM_WEEK else 0.03, 0.395, 0.43, greatest=0.412)
                for number in range(WEEKS)
            ),
            DriftRow("2", last, "temp", 0.15, 0.133, 0.168, greatest=0.412),
        ],
        shifted_slices=[DriftRow("2", last, hostile, 0.55, 0.5, 0.6, "origin", "JFK")],
        model=[
            ModelRow(
                "2", week(number), AUC, 0.74 - 0.002 * number, 0.72 - 0.002 * number, 0.76 - 0.002 * number, 4900, 0.975, "FINAL"
            )
            for number in range(WEEKS - 3)
        ]
        + [
            ModelRow("2", week(WEEKS - 3), AUC, 0.66, 0.6, 0.72, 900, 0.4, "PROVISIONAL"),
            ModelRow(
                "2", last, AUC, None, status="NO_LABELS", message="None of 5390 rows has a label yet.", label_status="NO_LABELS"
            ),
            ModelRow("2", labelled, "log_loss", 0.512, 0.5, 0.53, 4900, 0.975, "FINAL"),
            ModelRow(
                "1", last, AUC, None, status="NO_LABELS", message="None of 5390 rows has a label yet.", label_status="NO_LABELS"
            ),
        ],
        worst_slices=[ModelRow("2", labelled, AUC, 0.61, 0.58, 0.64, 1200, 0.97, "FINAL", slice_key="origin", slice_value="LGA")],
        runs=[
            RunRow(
                "r1", datetime(2013, 12, 10, tzinfo=UTC), "COMMITTED", reader="spark", published="PUBLISHED", baseline_version=1
            )
        ],
    )


def example(*, hostile: str = "wind_speed") -> Facts:
    """The facts of the example."""
    return assembled(answers(hostile=hostile), config())
