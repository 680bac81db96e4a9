"""Rows of metrics of whole windows to checks, many at once: verdicts as arrays, whole sentences for what is not PASS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.distances.benjamini_hochberg import benjamini_hochberg
from spark_monitor.rules.applied_limits import AppliedLimits, LimitInputs, applied_limits
from spark_monitor.rules.check_rows import (
    CHECK_SCHEMA,
    OF_ROW,
    OF_RULE,
    Columns,
    append_row,
    check_row,
    lone,
    people_of,
    window_of,
    without_nan,
)
from spark_monitor.rules.ends import Ends
from spark_monitor.rules.limits import Bounds
from spark_monitor.rules.reasons import number_text, reason, rows_text, side_text, subject_of
from spark_monitor.rules.rulebook import Rulebook, check_id, is_of_predictions, is_of_slices, is_total
from spark_monitor.rules.stream import ALL_VERSIONS, COVERAGE, Judged, Rows, numbers_of
from spark_monitor.rules.verdicts import ABSENT, Held, Measurement, Numbers, Rulings, expected, not_nan, out_of_reach, rulings

SLICES: Final = ":slices"
"""The slice key of the one row that speaks about all slices of a window that are too small for a rule."""

ESTIMATED: Final = "ESTIMATED"
_MOST_REMEMBERED: Final = 200_000


@dataclass(frozen=True)
class Bench:
    """Judges tables of whole windows; what it has worked out of one it remembers for the next."""

    book: Rulebook
    inputs: LimitInputs
    remembered: dict[tuple[Any, ...], tuple[str, str]]

    @classmethod
    def of(cls, book: Rulebook, inputs: LimitInputs) -> Bench:
        """A bench that remembers nothing yet."""
        return cls(book, inputs, {})

    def checks(self, table: pa.Table) -> pa.RecordBatch:
        """The checks of all windows of ``table``, which holds each of its windows whole (schema `STREAM`, sorted)."""
        rows = Rows.of(table)
        judged = numbers_of(table, rows, self.book)
        _await_labels(judged, rows, self.inputs.labels_due)
        limits = applied_limits(judged, rows, table, self.book, self.inputs)
        given = self._ruled(judged, rows, limits)
        columns, few = self._write(judged, rows, limits, given)
        for row in _summaries(few, judged, rows, self.book):
            append_row(columns, row)
        for row in self._absent(judged, rows):
            append_row(columns, row)
        return pa.RecordBatch.from_pydict(columns, schema=CHECK_SCHEMA)

    def _ruled(self, judged: Judged, rows: Rows, limits: AppliedLimits) -> Rulings:
        unreachable = np.array([out_of_reach(rule) for rule in self.book.rules], dtype=np.bool_)
        gap = np.zeros(len(judged.metric), dtype=np.bool_)
        gap[list(limits.gaps)] = True
        given = rulings(
            Numbers(judged.value, judged.lower, judged.upper, judged.count, judged.status),
            Ends.of(limits.warn),
            Ends.of(limits.fail),
            min_count=limits.min_count,
            chance=limits.chance,
            gap=gap,
            noisy=limits.noisy,
            no_such_limit=unreachable[judged.place] if judged.place.size else gap,
        )
        if self.inputs.fdr is not None:
            _undecide(given, judged, rows, self.inputs.fdr)
        return given

    def _write(self, judged: Judged, rows: Rows, limits: AppliedLimits, given: Rulings) -> tuple[Columns, list[int]]:
        """Every check as columns but those of slices that are too small, whose places are returned."""
        sliced = np.array([rows.strings["slice_key"][row] is not None for row in judged.row.tolist()], dtype=np.bool_)
        few = sliced & ((given.why == "too_few") | (given.why == "chance"))
        kept = np.flatnonzero(~few)
        owners, places = judged.row[kept].tolist(), judged.place[kept].tolist()
        verdicts = given.verdict[kept].tolist()
        columns: Columns = {name: [rows.strings[name][row] for row in owners] for name in OF_ROW}
        columns["family"] = ["profile" if family == ALL_VERSIONS else family for family in columns["family"]]
        columns["basis"] = [None if basis == ALL_VERSIONS else basis for basis in columns["basis"]]
        series = [self._series(judged, rows, one, row) for one, row in zip(kept.tolist(), owners, strict=True)]
        columns |= {"start": rows.starts[owners].tolist(), "end": rows.ends[owners].tolist()}
        columns |= {name: without_nan(numbers[kept]) for name, numbers in judged.numbers.items()}
        columns["metric"] = [judged.metric[one] for one in kept.tolist()]
        columns["class"] = [judged.class_name[one] for one in kept.tolist()]
        columns["check_id"] = [name for name, _ in series]
        columns["verdict"], columns["broken"] = verdicts, [verdict == "FAIL" for verdict in verdicts]
        sentences = self._sentences(judged, rows, limits, given, kept.tolist(), [subject for _, subject in series])
        columns["expected"], columns["reason"] = ([pair[place] for pair in sentences] for place in (0, 1))
        people = [people_of(rule) for rule in self.book.rules]
        columns |= {name: [people[place][name] for place in places] for name in OF_RULE}
        return columns, np.flatnonzero(few).tolist()

    def _sentences(
        self, judged: Judged, rows: Rows, limits: AppliedLimits, given: Rulings, kept: list[int], subjects: list[str]
    ) -> list[tuple[str, str]]:
        """The limits of each check, and its reason; a PASS of a fixed limit gets a short one."""
        sentences, fixed = [], {}
        for one, subject in zip(kept, subjects, strict=True):
            place = int(judged.place[one])
            rule = self.book.rules[place]
            if not rule.moves and place not in fixed:
                fixed[place] = (expected(rule, Held.of(rule)), _within(*Held.of(rule).first))
            if given.verdict[one] == "PASS" and not rule.moves:
                sentences.append((fixed[place][0], f"{subject} is {_quick(judged, one)}, {fixed[place][1]}."))
                continue
            held = limits.at(one)
            allowed = expected(rule, held) if rule.moves else fixed[place][0]
            sentences.append((allowed, reason(_measurement(judged, rows, one, int(judged.row[one])), rule, given.at(one), held)))
        return sentences

    def _series(self, judged: Judged, rows: Rows, one: int, row: int) -> tuple[str, str]:
        """The check's id and the subject of its sentence."""
        strings = rows.strings
        names = ("granularity", "model_version", "slice_key", "slice_value", "column_name", "baseline_name", "basis")
        beside = _rules_before(judged, one)
        key = (judged.metric[one], judged.class_name[one], beside, *(strings[name][row] for name in names))
        if key not in self.remembered:
            if len(self.remembered) >= _MOST_REMEMBERED:
                self.remembered.clear()
            about = {name: strings[name][row] for name in ("model_version", "slice_key", "slice_value")}
            series = check_id(
                judged.metric[one],
                str(strings["column_name"][row]),
                granularity=str(strings["granularity"][row]),
                class_name=judged.class_name[one],
                baseline=strings["baseline_name"][row],
                estimated=strings["basis"][row] == ESTIMATED,
                beside=beside,
                **about,
            )
            self.remembered[key] = (series, subject_of(_measurement(judged, rows, one, row)))
        return self.remembered[key]

    def _absent(self, judged: Judged, rows: Rows) -> Iterator[dict[str, Any]]:
        """What the rules ask of whole windows and no table holds."""
        met = _met(judged, rows)
        for row in _whole_windows(rows):
            window, version = window_of(rows, row), rows.strings["model_version"][row]
            message = rows.strings["message"][row] if rows.strings["status"][row] != "OK" else None
            count = not_nan(float(rows.wholes["count"][row]))
            for expectation in self.book.expectations:
                rule = expectation.rule
                if rule.versions and version not in rule.versions:
                    continue
                whose = version if is_of_predictions(expectation.metric) and not is_total(rule) else ANY_VERSION
                if (window, whose, expectation.metric, expectation.column, rule.baseline) in met:
                    continue
                measurement = Measurement(
                    expectation.metric,
                    expectation.column or TABLE_ROW,
                    count=None if count is None else int(count),
                    status=ABSENT,
                    message=message,
                    family=rule.family,
                    class_name=rule.class_,
                    baseline_name=rule.baseline,
                )
                yield lone(rows, row, rule, measurement)


ANY_VERSION: Final = "*"


def _await_labels(judged: Judged, rows: Rows, due: int | None) -> None:
    """Where no label has come yet and may still come, the coverage may become anything."""
    if due is None or COVERAGE not in judged.metric:
        return
    early = np.array([metric == COVERAGE for metric in judged.metric], dtype=np.bool_) & (rows.ends[judged.row] > due)
    judged.upper[early] = np.fmax(judged.value[early], 1.0)


def _undecide(given: Rulings, judged: Judged, rows: Rows, fdr: float) -> None:
    """Benjamini-Hochberg: of the columns of one window, version and slice whose metric has a p-value, too many may be chance."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for one in np.flatnonzero(~np.isnan(judged.pvalue)).tolist():
        row = int(judged.row[one])
        key = (window_of(rows, row), *(rows.strings[name][row] for name in ("model_version", "slice_key", "slice_value")))
        groups.setdefault((*key, judged.metric[one], rows.strings["baseline_name"][row]), []).append(one)
    for places in groups.values():
        at = np.array(places)
        at = at[benjamini_hochberg(judged.pvalue[at]) > fdr]
        at = at[np.isin(given.verdict[at].astype(str), ("WARN", "FAIL"))]
        given.verdict[at], given.why[at], given.limit[at], given.open_fail[at] = "UNDECIDED", "many", None, False


def _measurement(judged: Judged, rows: Rows, one: int, row: int) -> Measurement:
    strings, count = rows.strings, not_nan(float(judged.count[one]))
    return Measurement(
        judged.metric[one],
        str(strings["column_name"][row]),
        not_nan(float(judged.value[one])),
        not_nan(float(judged.lower[one])),
        not_nan(float(judged.upper[one])),
        None if count is None else int(count),
        str(judged.status[one]),
        strings["message"][row],
        str(strings["family"][row]),
        judged.class_name[one],
        strings["slice_key"][row],
        strings["slice_value"][row],
        _expectation(judged, rows, one, row),
        not_nan(float(rows.reals["label_coverage"][row])),
        strings["label_status"][row],
        strings["baseline_name"][row],
        strings["basis"][row] == ESTIMATED,
    )


def _expectation(judged: Judged, rows: Rows, one: int, row: int) -> float | None:
    return not_nan(float(rows.reals["expected_value"][row])) if judged.metric[one] == "population_stability_index" else None


def _quick(judged: Judged, one: int) -> str:
    value, count = float(judged.value[one]), float(judged.count[one])
    beside = "" if math.isnan(count) or judged.metric[one] == "count" else f" ({rows_text(int(count))})"
    return f"{number_text(value)}{beside}"


def _within(name: str, bounds: Bounds) -> str:
    return side_text(name, bounds, bounds.sides()[0], kept=True)


def _summaries(few: list[int], judged: Judged, rows: Rows, book: Rulebook) -> Iterator[dict[str, Any]]:
    """One row for each window, version and rule whose slices are too small."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for one in few:
        row = int(judged.row[one])
        key = (
            window_of(rows, row),
            rows.strings["model_version"][row],
            int(judged.place[one]),
            rows.strings["baseline_name"][row],
        )
        groups.setdefault(key, []).append(one)
    for (_, _, place, baseline), members in groups.items():
        rule, row = book.rules[place], int(judged.row[members[0]])
        owners = judged.row[members].tolist()
        slices = {(rows.strings["slice_key"][owner], rows.strings["slice_value"][owner]) for owner in owners}
        most = max((int(judged.count[one]) for one in members if not math.isnan(judged.count[one])), default=0)
        asked = f"the rule asks for {rule.min_count:,}" if rule.min_count is not None else "too few to tell drift from chance"
        about = Measurement(rule.metric, family=rule.family, slice_key=SLICES, class_name=rule.class_, baseline_name=baseline)
        subject = subject_of(Measurement(rule.metric, family=rule.family, baseline_name=baseline, class_name=rule.class_))
        counted = f"{len(slices):,} slice{'' if len(slices) == 1 else 's'}"
        sentence = f"{subject} of {counted} rests on at most {rows_text(most)}, {asked}: {len(members):,} not judged."
        yield check_row(rows, row, rule, about, "NO_DATA", sentence) | {"slice_key": SLICES, "slice_value": None}


def _met(judged: Judged, rows: Rows) -> set[tuple[Any, ...]]:
    """What windows have of what may be expected, in their slices where only these have it: by column, of any, of any version."""
    met: set[tuple[Any, ...]] = set()
    for one, row in enumerate(judged.row.tolist()):
        strings = rows.strings
        window, version, metric = window_of(rows, row), strings["model_version"][row], judged.metric[one]
        if strings["slice_key"][row] is not None and not is_of_slices(metric):
            continue
        for whose in (version, ANY_VERSION):
            for column in (strings["column_name"][row], None):
                met.add((window, whose, metric, column, strings["baseline_name"][row]))
    return met


def _whole_windows(rows: Rows) -> Iterator[int]:
    strings = rows.strings
    for row in range(len(rows)):
        of_table = strings["family"][row] == "profile" and strings["column_name"][row] == TABLE_ROW
        if of_table and strings["slice_key"][row] is None:
            yield row


def _rules_before(judged: Judged, one: int) -> int:
    """How many rules judge the same number before this one does: they stand next to each other."""
    about = [(judged.row[place], judged.metric[place], judged.class_name[place]) for place in range(max(one - 2, 0), one + 1)]
    return sum(before == about[-1] for before in about[:-1])
