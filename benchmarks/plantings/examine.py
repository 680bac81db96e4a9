"""Monitors with plantings: written, run and scored."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.plantings.faults import MODEL, QUALITY, Expected, Scene, possible
from benchmarks.plantings.tables import SHAPES, START, Shape, frame_of, with_answers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

APART = 3
"""Windows from the end of one planting to the beginning of the next: enough for an incident to be resolved."""


@dataclass(frozen=True)
class Task:
    """One monitor: a shape, rules, a seed, and the faults planted in it, in this order."""

    shape: Shape
    rules: str
    seed: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """A planting's windows and what is expected of it."""

    fault: str
    first: int
    last: int
    expected: Expected | None


def planned(arguments: argparse.Namespace) -> Iterator[Task]:
    """The monitors that are asked for; of a seed every possible fault of a shape once, spread over monitors."""
    for seed in arguments.seeds:
        for name in arguments.shapes:
            shape = SHAPES[name]
            random = np.random.default_rng([seed, sorted(SHAPES).index(name)])
            names = [one for one in possible(shape) if not arguments.faults or one in arguments.faults]
            order = [str(one) for one in random.permutation(np.array(names, dtype=object))]
            size = room(shape)
            for rules in arguments.rules:
                if arguments.control:
                    yield Task(shape, rules, seed, ())
                    continue
                for part in range(0, len(order), size):
                    yield Task(shape, rules, seed, tuple(order[part : part + size]))


def room(shape: Shape) -> int:
    """How many plantings a shape's windows have room for."""
    return max(1, (shape.windows - shape.baseline - 2) // (APART + 2))


def planted(task: Task) -> tuple[pd.DataFrame, list[Place]]:
    """The table with its faults, and where they are."""
    shape, random = task.shape, np.random.default_rng([task.seed, 7, *(map(ord, task.rules + "".join(task.faults)[:40]))])
    rows = frame_of(shape, random)
    reference, noise, places = rows.copy(), np.zeros(len(rows)), []
    for place, name in enumerate(task.faults):
        first = shape.baseline + 3 + place * (APART + 2)
        is_last = place == len(task.faults) - 1
        last = shape.windows - 1 if is_last and random.random() < 0.5 else first + int(random.integers(0, 2))
        if name in ("duplicated", "delivered_again", "half_lost"):
            last = first
        times = rows[shape.role("time")]
        inside = ((times >= START + first * shape.window) & (times < START + (last + 1) * shape.window)).to_numpy()
        scene = {**QUALITY, **MODEL}[name](Scene(shape, rows, inside, random, noise))
        rows, noise = scene.rows, scene.noise
        places.append(Place(name, first, last, scene.expected))
    return with_answers(shape, rows, reference, noise), places


def write(rows: pd.DataFrame, directory: Path) -> None:
    """The table as Parquet, in the order of time."""
    ordered = rows.convert_dtypes(convert_integer=False, convert_string=False, convert_boolean=False)
    directory.mkdir(parents=True)
    table = pa.Table.from_pandas(ordered, preserve_index=False)
    pq.write_table(table, directory / "part-0.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)


def monitor_file(spark: SparkSession, task: Task, directory: Path) -> Path:
    """The monitor's file: as `init` writes it, or with some fixed limits; windows, baseline and slices are the shape's."""
    from spark_monitor.commands.first_file import first_file
    from spark_monitor.commands.first_look import made_from, open_table

    source = str(directory / "rows")
    location, frame = open_table(spark, source)
    text = first_file(made_from(frame, location, source, directory / "init.yaml"))
    config: dict[str, Any] = yaml.safe_load(text)
    shape = task.shape
    if task.rules == "first":
        config["outputs"] = {"path": str(directory / "out")}
        file = directory / "monitor.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return file
    end = START + shape.baseline * shape.window
    time_column = shape.role("time")
    assert config["predictions"]["time"] == time_column, config["predictions"]
    config["predictions"]["id"] = shape.role("id")
    config["baseline"] |= {"where": f"{time_column} < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}Z'", "labels": True}
    config["windows"] |= {"every": shape.every, "lookback": "1 day"}
    config["slices"] = list(shape.slices)
    config["outputs"] = {"path": str(directory / "out")}
    if task.rules == "plain":
        config["rules"] = PLAIN
        config.pop("quality", None)
    file = directory / "monitor.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


PLAIN = [
    {"metric": "ks", "columns": "*", "warn": 0.05, "fail": 0.10, "min_count": 200},
    {"metric": "js_distance", "columns": "*", "fail": 0.2, "min_count": 500},
    {"metric": "percent_null", "columns": "*", "fail": 5, "min_count": 100},
    {"metric": "roc_auc_score", "fail": {"below_baseline": 0.08}, "min_count": 200},
    {"metric": "log_loss", "fail": {"above_baseline": 0.08}, "min_count": 200},
    {"metric": "count", "columns": [":table"], "fail": {"history": 8, "sigma": 6}, "slices": "none"},
    {"metric": "percent_duplicate_ids", "fail": 1},
    {"metric": "duplicated_window", "fail": "> 0"},
]


def examine(spark: SparkSession, task: Task, directory: Path) -> list[dict[str, Any]]:
    """Run one monitor and score its plantings; a control is right where no incident opened."""
    from spark_monitor import Monitor

    name = f"{task.shape.name}-{task.rules}-{task.seed}-{'-'.join(task.faults)[:60] or 'control'}"
    place = directory / name
    shutil.rmtree(place, ignore_errors=True)
    rows, places = planted(task)
    write(rows, place / "rows")
    began = time.monotonic()
    file = monitor_file(spark, task, place)
    result = Monitor.load(file).run(spark, as_of=task.shape.end.to_pydatetime())
    incidents = [row.asDict(recursive=True) for row in result.incidents.collect()]
    about = {"monitor": str(place), "seconds": round(time.monotonic() - began)}
    scored = [{**about, **score(task, one, incidents)} for one in places]
    return [*scored, {**about, **unplanted(task, places, incidents)}]


def opened_at(task: Task, incident: dict[str, Any]) -> int:
    """The number of the window in which an incident opened."""
    opened = pd.Timestamp(incident["opened"])
    opened = opened.tz_localize("UTC") if opened.tzinfo is None else opened.tz_convert("UTC")
    return int((opened - START) // task.shape.window)


def record_of(task: Task, one: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an incident."""
    slice_ = None if one["slice_key"] is None else [one["slice_key"], one["slice_value"]]
    columns = sorted({member["column_name"] for member in one["members"] if member["column_name"] not in (None, ":table")})
    causes = [[cause["kind"], cause["what"], cause["share"]] for cause in one["causes"]]
    return {
        "kind": one["kind"],
        "column": one["column_name"],
        "slice": slice_,
        "window": opened_at(task, one),
        "diagnosis": one["diagnosis"],
        "causes": causes,
        "columns": columns,
    }


def score(task: Task, place: Place, incidents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Whether exactly one incident opened in a planting's windows, and what is wrong with it."""
    opened = [record_of(task, one) for one in incidents if place.first <= opened_at(task, one) <= place.last + 1]
    expected = place.expected
    assert expected is not None
    wrong = [] if len(opened) == 1 else [f"{len(opened)} incidents"]
    if opened:
        best = next((one for one in opened if one["kind"] in expected.kinds or (not expected.kinds and one["causes"])), opened[0])
        wrong += list(faults_of(place, expected, best))
    return {
        "shape": task.shape.name,
        "rules": task.rules,
        "seed": task.seed,
        "fault": place.fault,
        "right": not wrong,
        "wrong": wrong,
        "windows": [place.first, place.last],
        "expected": [expected.kinds, expected.columns, expected.slice, expected.factor],
        "incidents": opened,
    }


def faults_of(place: Place, expected: Expected, one: dict[str, Any]) -> Iterator[str]:
    """What an incident does not say as it should."""
    if expected.kinds and one["kind"] not in expected.kinds:
        yield f"kind {one['kind']}"
    if len(expected.columns) == 1 and one["column"] != expected.columns[0]:
        yield f"column {one['column']}"
    if len(expected.columns) > 1 and not set(expected.columns) <= set(one["columns"]):
        yield f"columns {one['columns']}"
    if expected.columns and (tuple(one["slice"]) if one["slice"] else None) != expected.slice:
        yield f"slice {one['slice']}"
    if one["window"] != place.first:
        yield f"onset {one['window']} for {place.first}"
    text = one["diagnosis"]
    if expected.factor is not None and expected.factor > 0 and f"{expected.factor:.4g}"[:5] not in text:
        yield "factor"
    if expected.words is not None and expected.words not in text:
        yield f"no word '{expected.words}'"
    if expected.cause is not None and not (one["causes"] and any(expected.cause in str(part) for part in one["causes"][0][:2])):
        yield f"first cause {one['causes'][:1]}"


def unplanted(task: Task, places: Sequence[Place], incidents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Incidents in windows in which nothing was planted: there should be none."""
    within = {window for place in places for window in range(place.first, place.last + 2)}
    others = [record_of(task, one) for one in incidents if opened_at(task, one) not in within]
    return {
        "shape": task.shape.name,
        "rules": task.rules,
        "seed": task.seed,
        "fault": "nothing",
        "right": not others,
        "wrong": [f"{len(others)} incidents"] if others else [],
        "windows": [],
        "expected": [],
        "incidents": others,
    }


def printed(one: dict[str, Any]) -> str:
    """A result for people."""
    head = (
        f"{'right' if one['right'] else 'WRONG'} {one['shape']} {one['rules']} seed {one['seed']} {one['fault']} {one['windows']}"
    )
    if one["right"]:
        diagnosis = one["incidents"][0]["diagnosis"] if one["incidents"] else ""
        return f"{head} ({one['seconds']} s): {diagnosis}"
    lines = [f"{head} ({one['seconds']} s): {'; '.join(one['wrong'])}; expected {one['expected']}"]
    for incident in one["incidents"]:
        lines.append(
            f"    {incident['kind']} {incident['column']} {incident['slice']} @{incident['window']}: {incident['diagnosis']}"
        )
        lines.append(f"        causes {incident['causes'][:3]} columns {incident['columns'][:8]}")
    return "\n".join(lines)
