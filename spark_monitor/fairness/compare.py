"""Every fairness metric of every group of a slice key, as measurements; groups of few rows are suppressed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import measurement
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.fairness.groups import SMALL_GROUP, Group

SUPPRESSED = "SUPPRESSED"
REST = "the rest"


def fairness_rows(
    where: Mapping[str, Any], groups: Mapping[str | None, Group], whole: Group, reference: str | None
) -> Iterator[dict[str, Any]]:
    """Measurements of each group of one key, in the dimensions of the window; ``reference`` is a group, else the rest counts."""
    for value, group in groups.items():
        if reference is not None and value == reference:
            continue
        other = whole.without(group) if reference is None else groups.get(reference)
        against = REST if reference is None else reference
        for metric in catalogue().of("fairness"):
            row = {"slice_value": value, "class": against, "basis": None}
            labelled = "label" in metric.needs
            count = group.labelled if labelled else group.count
            yield measurement(
                {**where, "slice_value": value},
                metric,
                **{**row, "column_name": ":table", "count": count},
                **_numbers(metric.compute, group.effective(), _effective(other), labelled=labelled, against=against),
            )


def _effective(group: Group | None) -> Group | None:
    return None if group is None else group.effective()


def _numbers(compute: Any, group: Group, other: Group | None, *, labelled: bool, against: str) -> dict[str, Any]:
    """Value, bounds, status and message of one metric."""
    counts = [None if one is None else (one.labelled if labelled else one.count) for one in (group, other)]
    if counts[1] is None:
        return {"status": "UNDEFINED", "message": f"The reference {against} has no rows in this window."}
    kind = "labelled rows" if labelled else "rows"
    if min(count or 0 for count in counts) < SMALL_GROUP:
        which = "the group" if (counts[0] or 0) < SMALL_GROUP else against
        return {"status": SUPPRESSED, "message": f"Fewer than {SMALL_GROUP} {kind} in {which}: its numbers are not shown."}
    try:
        return Interval.of(compute(group, other)).at(0)
    except Exception as error:  # a plug-in's function: whatever it raises is its row's status
        return {"status": "ERROR", "message": f"{type(error).__name__}: {error}."}
