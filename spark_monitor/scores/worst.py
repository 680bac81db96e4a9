"""The slices for which a model surely does worst: found by search, so held to intervals that know how many were looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scipy.special import ndtri

from spark_monitor.catalogue.metric import DECORATED, model_metric
from spark_monitor.states.proportions import CONFIDENCE, Z
from spark_monitor.text.formatting import slice_name

SHOWN = 5
FEWEST_ROWS = 50
Row = Mapping[str, Any]
Place = tuple[str | None, str | None]


@model_metric(
    "worst_slice", tasks=("binary", "multiclass", "regression"), worse="both", needs=("label", "worst_slices"), by_stage=True
)
def worst_slice(row: Row, looked_at: int) -> tuple[float, float]:
    """The model's headline metric in the slices where it surely does worst; its class is the rank, its details the slice.

    Looked at are the values of the configured slices, of their crosses, up to `worst_slices.depth` columns, and of 12 features
    (by `importances` where the file names them): numbers by the baseline's quartiles, strings and codes of at most 20 values; the
    largest first. Among rows that are alike in a feature which tells much, a metric of ranks (ROC AUC) is lower by nature: what
    fell there, and since when, is told by the incident of a rule on the metric itself.
    Bounds are widened from one interval to as many as slices were looked at (Bonferroni).

    >>> low, high = worst_slice({"value": 0.7, "lower": 0.68, "upper": 0.72}, 100)
    >>> round(low, 3), round(high, 3)
    (0.664, 0.736)
    """
    factor = -float(ndtri((1 - CONFIDENCE) / 2 / max(looked_at, 1))) / Z
    return row["value"] - (row["value"] - row["lower"]) * factor, row["value"] + (row["upper"] - row["value"]) * factor


def without_partial(rows: Mapping[Place, Row], keys: Collection[str]) -> dict[Place, Row]:
    """The rows without those of slice keys among ``keys`` whose values do not hold all rows together.

    >>> rows = {(None, None): {"count": 5}, ("a", "x"): {"count": 2}, ("a", "y"): {"count": 3}, ("b", "x"): {"count": 4}}
    >>> list(without_partial(rows, {"a", "b"}))
    [(None, None), ('a', 'x'), ('a', 'y')]
    """
    counted: Counter[str | None] = Counter()
    for (key, _), row in rows.items():
        counted[key] += row["count"] or 0
    partial = {key for key in keys if counted[key] != counted[None]}
    return {place: row for place, row in rows.items() if place[0] not in partial}


def worst_rows(name: str, rows: Mapping[Place, Row], *, most: int) -> Iterator[dict[str, Any]]:
    """The rows of the worst slices of one window and version: those surely worse than all rows together, the worst first."""
    whole = rows.get((None, None))
    up = DECORATED[name].worse != "higher"
    usable = {
        place: row
        for place, row in rows.items()
        if place != (None, None) and None not in (row["value"], row["lower"], row["upper"]) and row["count"] >= FEWEST_ROWS
    }
    largest = sorted(usable, key=lambda place: (-usable[place]["count"], str(place)))[:most]
    if whole is None or whole["value"] is None or not largest:
        return
    least, most_of = DECORATED[name].range
    widened = {place: worst_slice(usable[place], len(largest)) for place in largest}
    bounds = {place: (max(low, least), min(high, most_of)) for place, (low, high) in widened.items()}
    surely = [place for place in largest if (bounds[place][1] < whole["value"] if up else bounds[place][0] > whole["value"])]
    ranked = sorted(surely, key=lambda place: (bounds[place][1] if up else -bounds[place][0], str(place)))
    for rank, place in enumerate(ranked[:SHOWN], start=1):
        row, (key, value) = usable[place], place
        fraction = row["count"] / whole["count"] if whole["count"] else 0.0
        details = (("metric", name), ("slice_key", key), ("slice_value", value), ("share", f"{fraction:.4f}"))
        yield {
            "metric": "worst_slice",
            "class": str(rank),
            "value": row["value"],
            "value_error": row["value_error"],
            "lower": bounds[place][0],
            "upper": bounds[place][1],
            "count": row["count"],
            "status": "OK",
            "message": f"{name} is {row['value']:.4g} where {slice_name(key, value)}, and {whole['value']:.4g} for all rows; "
            f"{len(largest)} slices were looked at.",
            "details": [(one, text) for one, text in details if text is not None],
        }
