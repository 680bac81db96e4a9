"""A monitor's facts, written by hand: two versions, 40 weeks, a column that drifts from September, a slice, an open incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scipy.special import ndtri

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.results import Results
from spark_monitor.insight.rows import (
    Cause,
    CheckRow,
    ColumnRow,
    CountRow,
    DriftRow,
    HeatRow,
    IncidentRow,
    Judged,
    MeasureRow,
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


def results(*, hostile: str = "wind_speed") -> Results:
    """What the tables of the example hold; ``hostile`` is the name of the column that drifts."""
    last, labelled = week(WEEKS - 1), week(WEEKS - 4)
    return Results(
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
                "drift",
                f"{hostile} has moved",
                f"{hostile}: half of the values left the baseline's range since 2013-09-09 in every slice.",
                week(DRIFT_FROM_WEEK).start,
                last.end,
                column=hostile,
                versions=("2",),
                occurrences=WEEKS - DRIFT_FROM_WEEK,
                checks=5,
                causes=(Cause("column", hostile, 0.7, f"{hostile} moved farthest, and the model leans on it."),),
                owner="data-platform",
                runbook="docs/runbooks/drift.md",
                metric=KS,
                check_id="c1",
                series=tuple(
                    Judged(
                        "2",
                        week(number),
                        0.412 if number >= DRIFT_FROM_WEEK else 0.03,
                        0.395 if number >= DRIFT_FROM_WEEK else 0.02,
                        0.43 if number >= DRIFT_FROM_WEEK else 0.05,
                        "FAIL" if number >= DRIFT_FROM_WEEK else "PASS",
                        "at most 0.2",
                    )
                    for number in range(WEEKS)
                ),
            ),
            IncidentRow(
                "def",
                "missing",
                "visib is missing at JFK",
                "visib: 97.5 % of the rows at JFK have no value.",
                week(5).start,
                week(5).end,
                column="visib",
                slice_key="origin",
                slice_value="JFK",
                versions=("1",),
                resolved=week(6).end,
                severity="critical",
                status="RESOLVED",
            ),
        ],
        open_total=1,
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
                "2", last, AUC, None, status="NO_LABELS", message="None of 5,390 rows has a label yet.", label_status="NO_LABELS"
            ),
            ModelRow("2", labelled, "log_loss", 0.512, 0.5, 0.53, 4900, 0.975, "FINAL"),
            ModelRow(
                "1", last, AUC, None, status="NO_LABELS", message="None of 5,390 rows has a label yet.", label_status="NO_LABELS"
            ),
        ],
        worst_slices=[ModelRow("2", labelled, AUC, 0.61, 0.58, 0.64, 1200, 0.97, "FINAL", slice_key="origin", slice_value="LGA")],
        runs=[
            RunRow(
                "r1", datetime(2013, 12, 10, tzinfo=UTC), "COMMITTED", reader="spark", published="PUBLISHED", baseline_version=1
            )
        ],
    )


def pictured(*, hostile: str = "wind_speed", columns: int = 12) -> Results:
    """The results with what a report draws besides: a heat map, distributions, and numbers of other datasets."""
    names = [hostile, "carrier", *(f"column_{place:02d}" for place in range(columns - 2))]
    last = week(WEEKS - 1)
    windows = [week(number) for number in range(WEEKS)]
    base = tuple(10 + 3 * ndtri(min(max(place / 100, 0.001), 0.999)) for place in range(101))
    return replace(
        results(hostile=hostile),
        heat=[heat_row(name, place, number) for place, name in enumerate(names) for number in range(WEEKS)],
        columns=[
            ColumnRow("2", window, name, 5000, 0.0 if place else 2.0 + index % 3, 10.0, 100)
            for place, name in enumerate(names)
            for index, window in enumerate(windows)
        ],
        distributions=[
            ColumnRow(
                "2", last, name, 5000, 0.0, quantiles=() if name == "carrier" else tuple(v * 1.4 for v in base), items=items(name)
            )
            for name in names
        ],
        baselines=[ColumnRow(None, None, name, quantiles=base) for name in names if name != "carrier"],
        estimated=[ModelRow("2", window, AUC, 0.73, 0.71, 0.75, 5000, basis="ESTIMATED") for window in windows],
        measures=[
            MeasureRow(None, last, "operations", "system", "latency_p99", 840.0, 800.0, 900.0, unit="ms"),
            MeasureRow(None, last, "costs", "cost", "cost", 123.4, unit="EUR"),
            MeasureRow("2", last, "predictions", "quality", "percent_sentinel", 4.2, 3.9, 4.5, hostile, unit="percent"),
            MeasureRow(
                "2",
                last,
                "predictions",
                "fairness",
                "disparate_impact",
                0.71,
                0.65,
                0.77,
                slice_key="origin",
                slice_value=hostile,
            ),
        ],
        measured_series=[
            MeasureRow(None, window, dataset, family, metric, value + number, unit=unit)
            for number, window in enumerate(windows)
            for dataset, family, metric, value, unit in (
                ("operations", "system", "latency_p99", 800.0, "ms"),
                ("pipelines", "pipeline", "step_seconds", 300.0, "seconds"),
                ("costs", "cost", "cost", 100.0, "EUR"),
            )
        ],
    )


def heat_row(name: str, place: int, number: int) -> HeatRow:
    """A cell: the first column breaks its rule from September, the others move by the season."""
    drifted = place == 0 and number >= DRIFT_FROM_WEEK
    distance = 0.412 if drifted else 0.02 + 0.03 * place * abs((number % 20) - 10) / 10
    metric = "js_distance" if name == "carrier" else "ks"
    verdict = "FAIL" if drifted else "WARN" if place == 3 and number > 35 else None
    return HeatRow("2", week(number), name, metric, distance, distance - 0.01, distance + 0.01, verdict)


def shifted(name: str, base: tuple[float, ...]) -> tuple[float, ...]:
    """The quantiles of a column that has moved; none of the one of strings."""
    return () if name == "carrier" else tuple(value * 1.4 for value in base)


def items(name: str) -> tuple[tuple[str, int], ...]:
    """Frequent values of the one column of strings."""
    return (("UA", 2000), ("DL", 1500), ("<b>AA</b>", 900), ("B6", 600)) if name == "carrier" else ()


def example(*, hostile: str = "wind_speed") -> Facts:
    """The facts of the example."""
    return assembled(results(hostile=hostile), config())
