"""Faults planted in made tables: pandas rows to checks, to groups and evidence, as plainly as they can be written.

Rules are judged by scipy's KS, by total variation and by counting; looks are numpy's and pandas' own numbers.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from spark_monitor.diagnosis.diagnose import evidence_keys, incidents
from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.incident import Incident
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey, Look
from spark_monitor.diagnosis.shares import shift_of
from spark_monitor.diagnosis.subjects import name_of, track_of
from spark_monitor.stages.failing import group_of

DAY = 86_400_000_000
WEEK = 7 * DAY
FIRST = 1_356_998_400_000_000
"""2013-01-01 in microseconds."""

WEEKS, ROWS = 14, 1500
SLICES = ("origin", "carrier")
Plant = Callable[[pd.DataFrame], pd.DataFrame]


def start(week: int) -> int:
    """The start of a window."""
    return FIRST + week * WEEK


def table(seed: int) -> pd.DataFrame:
    """Rows of a baseline (week -1) and of some weeks; nothing is wrong with them."""
    dice = np.random.default_rng(seed)
    rows = (WEEKS + 3) * ROWS
    week = np.repeat(np.arange(-3, WEEKS), ROWS)
    return pd.DataFrame(
        {
            "week": np.where(week < 0, -1, week),
            "version": dice.choice(["1", "2"], rows),
            "origin": dice.choice(["EWR", "JFK", "LGA"], rows, p=[0.5, 0.3, 0.2]),
            "carrier": dice.choice(["AA", "B6", "DL", "UA"], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "speed": np.round(dice.gamma(4.0, 2.5, rows) / 1.15078) * 1.15078,
            "temp": np.round(dice.normal(12.0, 9.0, rows), 1),
            "price": dice.lognormal(3.0, 0.8, rows),
            "seats": dice.choice([20, 50, 100, 150, 200, 250], rows),
            "pressure": dice.normal(1013.0, 8.0, rows),
        }
    )


def look(values: pd.Series[Any]) -> Look:
    """What a column looks like."""
    filled = values.dropna()
    counts = filled.value_counts()
    top = {str(item): int(count) for item, count in counts.head(20).items()}
    about: dict[str, Any] = {"count": len(values), "nulls": int(values.isna().sum()), "distinct": int(filled.nunique())}
    if not pd.api.types.is_numeric_dtype(values):
        lengths = filled.str.len()
        listed = {str(item): int(count) for item, count in counts.head(1000).items()}
        return Look(**about, items=listed, longest=float(lengths.max()) if len(filled) else None)
    numbers = filled.to_numpy(dtype=float)
    if not numbers.size:
        return Look(**about, status="ALL_NULL")
    quantiles = np.quantile(numbers, np.linspace(0, 1, 101), method="inverted_cdf")
    repeated = {item: count for item, count in top.items() if count > 1}
    spread = numbers.std(ddof=min(1, numbers.size - 1))
    moments = {"mean": numbers.mean(), "stddev": spread, "least": numbers.min(), "greatest": numbers.max()}
    return Look(**about, **moments, quantiles=tuple(quantiles.tolist()), items=repeated)


def slices_of(rows: pd.DataFrame, keys: Sequence[str] = SLICES) -> dict[Slice, pd.DataFrame]:
    """All rows and every slice."""
    return {WHOLE: rows, **{(key, str(value)): part for key in keys for value, part in rows.groupby(key)}}


def checks_of(rows: pd.DataFrame, columns: Iterable[str], keys: Sequence[str] = SLICES) -> list[dict[str, Any]]:
    """The checks of every week, version and slice: KS or total variation over 0.15, missing values over 5 %."""
    baseline, found = slices_of(rows[rows["week"] == -1], keys), []
    for (week, version), now in rows[rows["week"] >= 0].groupby(["week", "version"]):
        for slice_, part in slices_of(now, keys).items():
            for column in columns:
                was = baseline.get(slice_, rows.iloc[:0])
                about = {"start": start(int(week)), "end": start(int(week) + 1), "model_version": version, "column_name": column}
                about |= {"slice_key": slice_[0], "slice_value": slice_[1]}
                found += [row | about for row in _judged(was[column], part[column])]
    return [_named(row) for row in found]


def _judged(was: pd.Series[Any], now: pd.Series[Any]) -> list[dict[str, Any]]:
    """The checks of one column; plantings share the rows that they leave alone, so these are judged once a process."""
    key = _digest(was), _digest(now)
    if key not in _JUDGED:
        _JUDGED[key] = _judged_anew(was, now)
    return [dict(row) for row in _JUDGED[key]]


_JUDGED: dict[tuple[bytes, bytes], list[dict[str, Any]]] = {}


def _digest(values: pd.Series[Any]) -> bytes:
    content = values.to_numpy().tobytes() if pd.api.types.is_numeric_dtype(values) else repr(values.tolist()).encode()
    return hashlib.blake2b(f"{values.dtype}".encode() + content, digest_size=16).digest()


def _judged_anew(was: pd.Series[Any], now: pd.Series[Any]) -> list[dict[str, Any]]:
    nulls = 100 * float(now.isna().mean())
    missing = {"metric": "percent_null", "family": "profile", "value": nulls, "verdict": "FAIL" if nulls > 5 else "PASS"}
    one, two = was.dropna(), now.dropna()
    if len(two) < 40 or not len(one):
        return [missing, {"metric": "ks", "family": "drift", "value": None, "verdict": "NO_DATA"}]
    if pd.api.types.is_numeric_dtype(now):
        metric, distance = "ks", _ks(one.to_numpy(dtype=float), two.to_numpy(dtype=float))
    else:
        shares = pd.concat([one.value_counts(normalize=True), two.value_counts(normalize=True)], axis=1).fillna(0)
        metric, distance = "tv_distance", float((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().sum() / 2)
    verdict = "FAIL" if distance - 1.8 / np.sqrt(len(two)) > 0.15 else "PASS" if distance <= 0.15 else "UNDECIDED"
    return [missing, {"metric": metric, "family": "drift", "value": distance, "verdict": verdict}]


def _ks(one: npt.NDArray[np.float64], two: npt.NDArray[np.float64]) -> float:
    """Largest distance of two distribution functions; scipy's function also takes its p-value: nine tenths of its time."""
    at = np.concatenate([one, two])
    shares = [np.searchsorted(np.sort(part), at, side="right") / part.size for part in (one, two)]
    return float(np.abs(shares[0] - shares[1]).max())


def _named(row: dict[str, Any]) -> dict[str, Any]:
    about = (row["metric"], row.get("basis"), row["column_name"], row["model_version"], row["slice_key"], row["slice_value"])
    common = {"granularity": "1 week", "dataset": "predictions", "lower": None, "upper": None, "expected": "<= 0.15"}
    told: dict[str, Any] = {"severity": "medium", "reason": "It is too far off.", "owner": None, "runbook": None, "class": None}
    told["incident_id"] = None
    return {**common, **told, **row, "check_id": "|".join(map(str, about))}


def groups_of(checks: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The groups of checks, by plain loops: what the query over the table has to give as well."""
    rows = [{**row, "track": track_of(row["family"], row["metric"])} for row in checks]
    rows = [{**row, "name": name_of(row["track"], row["column_name"], row["metric"])} for row in rows]
    rows = [{**row, "overtaken": _is_overtaken(row, rows)} for row in rows]
    rows = [{**row, "fails": (row["verdict"] == "FAIL" and not row["overtaken"]) or _is_gone(row, rows)} for row in rows]
    failing = {_subject(row) for row in rows if row["fails"]}
    rows = sorted((row for row in rows if _subject(row) in failing), key=lambda row: row["start"])
    windows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in _with_held(rows):
        windows[_subject(row), row["start"], row["end"]].append(row)
    return [group_of(_collected(*about, of_window)) for about, of_window in windows.items()]


def _is_overtaken(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an estimate fails, and labels say surely that what came true does not."""
    if row.get("basis") != "ESTIMATED" or row["verdict"] != "FAIL":
        return False
    names = ("dataset", "granularity", "start", "metric", "class", "model_version", "slice_key", "slice_value")
    known = [one for one in rows if one.get("basis") == "REALISED" and all(one.get(name) == row.get(name) for name in names)]
    undecided = [one for one in known if one["verdict"] in ("UNDECIDED", "WARN")]
    return any(one["verdict"] == "PASS" for one in known) or any(_is_away(one, row) or _is_as_sure(one, row) for one in undecided)


def _is_as_sure(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a value keeps its limit, and its interval is hardly wider than the other one's."""
    if None in (one["value"], one["lower"], one["upper"], other["lower"], other["upper"]):
        return False
    return _keeps_limit(one) is True and bool(one["upper"] - one["lower"] <= 1.5 * (other["upper"] - other["lower"]))


def _is_away(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    ends = (one["lower"], one["upper"], other["lower"], other["upper"])
    return None not in ends and bool(one["lower"] > other["upper"] or one["upper"] < other["lower"])


def _is_gone(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a column has no number that can be judged, though an earlier window had one."""
    if row["verdict"] != "ERROR" or row["value"] is not None or row["track"] not in ("values", "missing"):
        return False
    same = [one for one in rows if _subject(one) == _subject(row) and one["metric"] == row["metric"]]
    return any(one["start"] < row["start"] and one["verdict"] not in ("ERROR", "NO_DATA") for one in same)


def _subject(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["dataset"], row["granularity"], row["track"], row["name"]


def _with_held(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    failed: dict[str, int] = {}
    passed: dict[str, int] = {}
    last: dict[str, tuple[float | None, float | None]] = {}
    found = []
    for row in rows:
        check, verdict = row["check_id"], row["verdict"]
        if row["fails"]:
            failed[check], last[check] = row["start"], (row["lower"], row["upper"])
        if verdict == "PASS":
            passed[check] = row["start"]
        lately = check in failed and row["start"] - failed[check] <= 12 * (row["end"] - row["start"])
        undecided = not row["fails"] and verdict != "PASS" and not row["overtaken"] and lately
        over = undecided and _is_over(row, last)
        held = undecided and failed[check] > passed.get(check, -1) and not over
        found.append({**row, "held": held, "over": over, "recovered": verdict == "PASS" and lately})
    return found


def _is_over(row: Mapping[str, Any], last: Mapping[str, tuple[float | None, float | None]]) -> bool:
    """Whether a value is within its limit, and its interval away from the one that failed last."""
    lower, upper = last.get(row["check_id"], (None, None))
    if None in (lower, upper, row["lower"], row["upper"], row["value"]):
        return False
    return _keeps_limit(row) is True and bool(row["lower"] > upper or row["upper"] < lower)


def _is_beyond(row: Mapping[str, Any]) -> bool:
    return row["value"] is not None and _keeps_limit(row) is False


def _keeps_limit(row: Mapping[str, Any]) -> bool | None:
    """Whether a value is within its limit; None where no limit is written."""
    allowed = (row["expected"] or "").split("(")[0].strip()
    sides = [part.split(" ") for part in allowed.split(" and ") if part]
    within = all(row["value"] >= float(limit) if sign[0] == ">" else row["value"] <= float(limit) for sign, limit in sides)
    return within if sides else None


def _collected(subject: tuple[str, str, str, str], begin: int, end: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    keys: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        keys[row["slice_key"]].append(row)
    fails = [row for row in rows if row["fails"]]
    passes = [row for row in rows if row["verdict"] == "PASS"]
    recovered = {_about(row) for row in rows if row["recovered"] and row["slice_key"] is None}
    beyond = [row for row in rows if row["verdict"] in ("UNDECIDED", "WARN") and row["slice_key"] is None and _is_beyond(row)]
    return {
        **dict(zip(("dataset", "granularity", "track", "name"), subject, strict=True)),
        "start": begin,
        "end": end,
        "keys": [_key(key, of_key) for key, of_key in keys.items()],
        "checks": len(fails),
        "well": len(passes) + sum(row["over"] for row in rows),
        "held": any(row["held"] and _about(row) not in recovered for row in rows),
        "versions_failing": sorted({row["model_version"] or "\0" for row in fails}),
        "versions_well": sorted(
            {row["model_version"] or "\0" for row in [*_same(rows), *_apart(rows)] if row["slice_key"] is None}
        ),
        "doubtful": sorted({row["model_version"] or "\0" for row in beyond if subject[2] in ("values", "missing")}),
    }


def _about(row: dict[str, Any]) -> tuple[Any, ...]:
    return *_number(row), row["model_version"]


def _number(row: dict[str, Any]) -> tuple[str, str | None]:
    return row["metric"], row.get("basis")


def _same(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Checks of all rows that pass, of the numbers that fail of all rows where any does."""
    whole = [row for row in rows if row["slice_key"] is None]
    numbers = {_number(row) for row in whole if row["fails"]}
    return [row for row in whole if row["verdict"] == "PASS" and (not numbers or _number(row) in numbers)]


def _apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Checks that nobody can decide, whose interval is away from that of every failing one of their metric."""
    found = []
    for row in rows:
        failing = [one for one in rows if one["verdict"] == "FAIL" and one["slice_key"] is None and _number(one) == _number(row)]
        if row["verdict"] != "UNDECIDED" or not failing or None in (row.get("lower"), row.get("upper")):
            continue
        if all(row["lower"] > one["upper"] or row["upper"] < one["lower"] for one in failing):
            found.append(row)
    return found


def _key(key: str | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    failing = [row for row in rows if row["fails"]]
    values = {row["slice_value"] for row in failing}
    numbers = {_number(row) for row in failing}
    well = {row["slice_value"] for row in rows if row["verdict"] == "PASS" and _number(row) in numbers} - values
    return {"slice_key": key, "failing": failing, "failing_values": len(values), "well_values": len(well)}


@dataclass(frozen=True)
class Found:
    """What a planting led to."""

    incidents: list[Incident]

    @property
    def only(self) -> Incident:
        """The one incident."""
        shown = [(one.kind, one.column, one.slice, (one.opened - FIRST) // WEEK, one.diagnosis) for one in self.incidents]
        assert len(self.incidents) == 1, shown
        return self.incidents[0]


def diagnosed(
    rows: pd.DataFrame,
    columns: Sequence[str],
    extra: Iterable[dict[str, Any]] = (),
    keys: Sequence[str] = SLICES,
    *,
    judged: Sequence[str] | None = None,
) -> Found:
    """The incidents of a table; ``judged`` are the slice keys that have checks of their own, all where none are named."""
    groups = groups_of([*checks_of(rows, columns, keys if judged is None else judged), *map(_named, extra)])
    windows = {"1 week": [(start(week), start(week + 1)) for week in range(WEEKS)]}
    populated = _populated(rows, keys)
    evidence = {key: _evidence(rows, key) for key in evidence_keys(groups, populated)}
    shares = {
        week: {one: len(part) for one, part in slices_of(rows[rows["week"] == week], keys).items()} for week in range(WEEKS)
    }
    shifts = {("1 week", start(week)): shift_of(shares[week - 1], shares[week], least=0.1) for week in range(1, WEEKS)}
    found = {about: phrase for about, phrase in shifts.items() if phrase is not None}
    return Found(
        incidents(groups, windows, evidence, monitor_id="planted", slice_columns=set(keys), shifts=found, populated=populated)
    )


def _populated(rows: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[str, int, str | None], list[Slice]]:
    """The slices of every week and version that have 50 rows."""
    found: dict[tuple[str, int, str | None], list[Slice]] = {}
    for (week, version), now in rows[rows["week"] >= 0].groupby(["week", "version"]):
        sizes = [(key, str(value)) for key in keys for value, part in now.groupby(key) if len(part) >= 50]
        found["1 week", start(int(week)), version] = sizes
    return found


def _evidence(rows: pd.DataFrame, key: EvidenceKey) -> Evidence:
    column, begin, version, slice_ = key
    week = (begin - FIRST) // WEEK

    def part(number: int) -> Look | None:
        own = rows[rows["week"] == number]
        own = own if number < 0 else own[own["version"] == version]
        own = own if slice_ == WHOLE else own[own[slice_[0]] == slice_[1]]
        return look(own[column]) if len(own) else None

    return Evidence(part(week), part(-1), part(week - 1) if week > 0 else None, name=column)


def planted(
    column: str, change: Callable[[pd.Series[Any]], Any], *, weeks: range, where: Slice = WHOLE, seed: int = 1
) -> pd.DataFrame:
    """A table with one column changed in some weeks, in all rows or in a slice."""
    rows = table(seed)
    wrong = rows["week"].isin(list(weeks))
    if where != WHOLE:
        wrong &= rows[where[0]] == where[1]
    changed = change(rows.loc[wrong, column])
    rows[column] = rows[column].astype(object if not pd.api.types.is_numeric_dtype(rows[column]) else float)
    rows.loc[wrong, column] = changed
    return rows
