"""How many charts a model version has, and which of more."""

from __future__ import annotations

from datetime import UTC, datetime

from spark_monitor.catalogue.metric import Group
from spark_monitor.insight.charts import MOST_CHARTS, Series, charted, series_of
from spark_monitor.insight.reading import Reading
from spark_monitor.windowing.windows import Window

WEEKS = [Window(datetime(2024, 1, day, tzinfo=UTC), datetime(2024, 1, day + 7, tzinfo=UTC)) for day in (1, 8)]


def series(family: Group, names: list[str]) -> list[Reading]:
    return [Reading(version, week, family, name, 1.0) for name in names for week in WEEKS for version in ("1", "2")]


def never(_: Series) -> bool:
    return False


def test_what_fits_is_shown_whole() -> None:
    given = series("performance", [f"m{number}" for number in range(MOST_CHARTS)])
    assert charted(given, never) == (tuple(given), 0)


def test_groups_take_turns_where_there_is_more() -> None:
    given = [*series("drift", [f"d{number}" for number in range(50)]), *series("system", ["p99"]), *series("cost", ["a", "b"])]
    shown, left_out = charted(given, never)
    names = list(dict.fromkeys(reading.name for reading in shown))
    assert names == [*(f"d{number}" for number in range(MOST_CHARTS - 3)), "p99", "a", "b"]
    assert left_out == 53 - MOST_CHARTS
    assert len(shown) == MOST_CHARTS * 4  # every chart whole: two windows of two versions


def test_what_rules_are_about_stays_however_much_there_is() -> None:
    given = series("quality", [f"q{number}" for number in range(60)])
    ruled = {f"q{number}" for number in range(20, 60)}
    shown, left_out = charted(given, lambda one: one[1] in ruled)
    assert {reading.name for reading in shown} == ruled
    assert left_out == 20


def test_a_slices_series_is_a_chart_of_its_own() -> None:
    whole, sliced = (Reading("1", WEEKS[0], "drift", "ks", 0.1, column="x", slice_key=key) for key in (None, "country"))
    assert series_of(whole) != series_of(sliced)
    assert charted([whole, sliced], never, most=1) == ((whole,), 1)
