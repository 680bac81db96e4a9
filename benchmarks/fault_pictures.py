"""The faults of docs/data-quality.md: each planted in a made table, with the sentence an incident says of it, and its picture.

python -m benchmarks.fault_pictures [--dir docs/pictures] prints the table of the page and draws the pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from spark_monitor.diagnosis.incident import Incident
from tests.planted import diagnosed, table

FIRST: Final = 6
"""The week in which every fault begins: that of 2013-02-12."""

DIRECTORY: Final = Path("docs/pictures")
INCHES, DOTS_PER_INCH = (4.6, 1.9), 80
BEFORE, NOW = "#9aa5b1", "#b3261e"
BARS: Final = 40
MOST_CATEGORIES: Final = 8
CITIES: Final = ("Zürich", "Malmö", "Córdoba", "Łódź", "Kraków", "San Sebastián")

Change = Callable[["pd.Series[Any]"], Any]


@dataclass(frozen=True)
class Fault:
    """A change of one column in all rows, or in one slice, from a week on."""

    label: str
    column: str
    change: Change
    where: tuple[str, str] | None = None

    @property
    def picture(self) -> str:
        """The file's name."""
        return f"{self.label.replace(' ', '-').lower()}.png"


def _often(values: pd.Series[Any], value: Any, share: float) -> pd.Series[Any]:
    return values.where(np.random.default_rng(5).random(len(values)) > share, value)


EXCHANGED: Final[Mapping[str, str]] = {"AA": "UA", "B6": "DL", "DL": "B6", "UA": "AA"}
FAULTS: Final = (
    Fault("mph became km per hour", "speed", lambda v: v * 1.609344),
    Fault("dollars became cents", "price", lambda v: v * 100),
    Fault("seconds became milliseconds", "taxi_seconds", lambda v: v * 1000),
    Fault("Fahrenheit became Celsius", "temp", lambda v: (v - 32) / 1.8),
    Fault("the sign was flipped", "pressure", lambda v: -v),
    Fault("the clock moved to another zone", "hour", lambda v: (v + 7) % 24),
    Fault("a sensor got stuck", "pressure", lambda v: 1009.25, ("origin", "JFK")),
    Fault("placeholders came", "temp", lambda v: _often(v, -999.0, 0.3)),
    Fault("values went missing", "price", lambda v: _often(v, np.nan, 0.5), ("carrier", "B6")),
    Fault("strings became empty", "city", lambda v: _often(v, "", 0.4)),
    Fault("categories were exchanged", "carrier", lambda v: v.map(EXCHANGED)),
    Fault("categories got other names", "carrier", lambda v: v.str.lower()),
    Fault("a new category came", "carrier", lambda v: _often(v, "ZZ", 0.35)),
    Fault("letters were damaged", "city", lambda v: v.map(lambda text: text.encode("utf-8").decode("latin-1"))),
    Fault("strings were cut", "city", lambda v: v.str.slice(0, 5)),
)


def rows_of() -> pd.DataFrame:
    """The made table, with an hour of the day, a duration and texts beside its columns."""
    rows, dice = table(1), np.random.default_rng(8)
    return rows.assign(
        hour=np.clip(np.round(dice.normal(13, 3.5, len(rows))), 0, 23),
        taxi_seconds=np.round(dice.gamma(6.0, 150.0, len(rows)), 1),
        temp=np.round(rows["temp"] * 1.8 + 32, 1),
        city=dice.choice(np.array(CITIES, dtype=object), len(rows), p=[0.3, 0.25, 0.15, 0.12, 0.1, 0.08]),
    )


def planted(fault: Fault) -> pd.DataFrame:
    """The table with a fault from its first week on."""
    rows = rows_of()
    wrong = rows["week"] >= FIRST
    if fault.where is not None:
        wrong &= rows[fault.where[0]] == fault.where[1]
    is_number = pd.api.types.is_numeric_dtype(rows[fault.column])
    column = rows[fault.column].astype(float if is_number else object)
    column[wrong] = fault.change(column[wrong])
    return rows.assign(**{fault.column: column})


def incident_of(fault: Fault) -> Incident:
    """The one incident that a fault is."""
    keys = tuple(key for key in ("origin", "carrier") if key != fault.column)
    return diagnosed(planted(fault), [fault.column], keys=keys).only


def drawn(fault: Fault, directory: Path) -> Path:
    """The column in the baseline and in the first wrong week, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = planted(fault)
    if fault.where is not None:
        rows = rows[rows[fault.where[0]] == fault.where[1]]
    was, now = (rows.loc[rows["week"] == week, fault.column] for week in (-1, FIRST))
    figure, axes = pyplot.subplots(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    if pd.api.types.is_numeric_dtype(was):
        _histograms(axes, was, now)
    else:
        _shares(axes, was, now)
    place = "" if fault.where is None else f" where {fault.where[0]} = {fault.where[1]}"
    axes.set_title(f"{fault.column}{place}", fontsize=9, loc="left")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    file = directory / fault.picture
    figure.savefig(file, metadata={"Software": None})
    pyplot.close(figure)
    return file


def _histograms(axes: Any, was: pd.Series[Any], now: pd.Series[Any]) -> None:
    both = pd.concat([was, now]).dropna()
    spread = both.max() / max(both[both > 0].min(), 1e-9) if (both > 0).all() else 1.0
    low, high = both.min(), both.max() + 1e-9
    edges = np.geomspace(low, high, BARS) if spread > 1000 else np.linspace(low, high, BARS)
    for values, colour, name in ((was, BEFORE, "baseline"), (now, NOW, "2013-02-12")):
        counts, _ = np.histogram(values.dropna(), edges)
        missing = f", {values.isna().mean():.0%} missing" if values.isna().any() else ""
        axes.stairs(counts / len(values), edges, color=colour, fill=colour == BEFORE, label=f"{name}{missing}")
    if spread > 1000:
        axes.set_xscale("log")


def _shares(axes: Any, was: pd.Series[Any], now: pd.Series[Any]) -> None:
    before, after = was.value_counts(normalize=True), now.value_counts(normalize=True)
    names = list(dict.fromkeys([*before.index, *after.index]))[: 2 * MOST_CATEGORIES]
    places = np.arange(len(names))
    axes.bar(places - 0.2, before.reindex(names).fillna(0), 0.4, color=BEFORE, label="baseline")
    axes.bar(places + 0.2, after.reindex(names).fillna(0), 0.4, color=NOW, label="2013-02-12")
    axes.set_xticks(places, [name if name else '""' for name in names], rotation=30 if len(names) > MOST_CATEGORIES else 0)


def main() -> int:
    """Draw all pictures and print the page's table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fault_pictures", description=__doc__)
    parser.add_argument("--dir", type=Path, default=DIRECTORY)
    directory: Path = parser.parse_args().dir
    directory.mkdir(parents=True, exist_ok=True)
    print("| fault | kind | what it looks like, and the diagnosis |\n| --- | --- | --- |")
    for fault in FAULTS:
        incident, file = incident_of(fault), drawn(fault, directory)
        print(f"| {fault.label} | `{incident.kind}` | ![{fault.label}](pictures/{file.name})<br>{incident.diagnosis} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
