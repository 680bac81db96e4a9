"""A change of unit in one hour of a column that a season moves all day; and days that differ as days do, which change no unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.units import unit_fit
from spark_monitor.stages.evidence import DAY, starts_of_season
from tests.looks import look_at

ROWS, DAYS, CHANGED = 330, 6, 4
Draw = Callable[[np.random.Generator, int, float], np.ndarray]


def bell(hour: int, at: float, width: float) -> float:
    return float(np.exp(-(((hour - at) / width) ** 2)))


def sun(hour: int) -> float:
    return max(float(np.sin((hour - 6) / 12 * np.pi)), 0.0)


SHAPES: dict[str, Draw] = {
    "roof": lambda dice, hour, day: np.round(7 + 13 * sun(hour) + day + dice.normal(0, 2.4, ROWS), 1),
    "load": lambda dice, hour, day: np.round(
        (20 + 45 * bell(hour, 8, 2.2) + 58 * bell(hour, 19, 2.6)) * (1 + day / 20) * dice.lognormal(0, 0.25, ROWS), 2
    ),
    "gust": lambda dice, hour, day: np.round(dice.gamma(4.2, 3.2, ROWS) * (1 + 0.9 * sun(hour)) * (1 + day / 20), 1),
    "price": lambda dice, hour, day: np.round(dice.normal(92, 16, ROWS) + 60 * bell(hour, 19, 3) + 2 * day, 2),
}
"""A window's values by the hour, and by how much its day differs from others."""

CHANGES: dict[str, tuple[float, float, str]] = {
    "roof": (1.8, 32.0, "degrees Celsius to Fahrenheit"),
    "load": (1000.0, 0.0, "another unit"),
    "gust": (1.609344, 0.0, "miles to kilometres"),
    "price": (100.0, 0.0, "another unit"),
}


@cache
def table(name: str, seed: int) -> dict[tuple[int, int], np.ndarray]:
    dice = np.random.default_rng([seed, sorted(SHAPES).index(name)])
    return {
        (day, hour): SHAPES[name](dice, hour, moved) for day in range(DAYS) for moved in dice.normal(size=1) for hour in range(24)
    }


def baseline_rows(name: str, seed: int) -> np.ndarray:
    return np.concatenate([values for (day, _), values in table(name, seed).items() if day < 3])


def look(values: np.ndarray) -> Look:
    """A window as its sketch tells it: of so few rows that holds every value."""
    items, counts = np.unique(values, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:64]
    return look_at(values, {f"{items[place]}": int(counts[place]) for place in most})


def evidence(name: str, seed: int, place: int, change: Callable[[np.ndarray], np.ndarray]) -> Evidence:
    """What is known of the hour ``place``, whose values are changed, and which is the first of which they are."""
    rows = table(name, seed)

    def at(hours: int) -> Look:
        values = rows[divmod(hours, 24)]
        return look(change(values) if hours == place else values)

    return Evidence(
        at(place),
        look(baseline_rows(name, seed)),
        at(place - 1),
        name=name,
        season=at(place - 24),
        season_before=at(place - 25),
        season_earlier=at(place - 48),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_a_change_of_unit_is_named_at_nearly_every_hour_of_the_day(name: str) -> None:
    factor, offset, what = CHANGES[name]
    digits = 1 if name in ("roof", "gust") else 2
    told = [
        finding_of(evidence(name, 11, 24 * CHANGED + hour, lambda v: np.round(v * factor + offset, digits)), frozenset({"ks"}))
        for hour in range(24)
    ]

    right = [one for one in told if one.kind == "unit_change" and what in str(one.conclusion)]
    assert len(right) >= 22, [one.what for one in told]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SHAPES)
def test_the_hours_of_days_that_differ_are_in_no_other_unit(name: str, seed: int) -> None:
    told = [
        finding_of(evidence(name, seed, 24 * day + hour, lambda values: values), frozenset({"ks"})).kind
        for day in (4, 5)
        for hour in range(24)
    ]

    assert told == ["drift"] * len(told)


def test_a_windy_day_is_in_no_other_unit_in_any_of_its_hours() -> None:
    """All of a day's hours are 1.6 times those of the day before, as weather is; its first hour is told from nothing."""
    rows = {place: np.round(values * (1.6 if place[0] == CHANGED else 1.0), 1) for place, values in table("gust", 5).items()}

    def at(hours: int) -> Look:
        return look(rows[divmod(hours, 24)])

    baseline = look(baseline_rows("gust", 5))
    told = [
        finding_of(
            Evidence(at(place), baseline, at(place - 1), season=at(place - 24), season_before=at(place - 25)), frozenset({"ks"})
        ).kind
        for place in range(24 * CHANGED + 1, 24 * CHANGED + 24)
    ]
    assert told.count("unit_change") <= 1


@pytest.mark.parametrize("name", ["roof", "gust"])
def test_the_day_after_a_fault_is_in_no_other_unit(name: str) -> None:
    factor, offset, _ = CHANGES[name]
    rows = table(name, 9)
    told = []
    for place in range(24 * CHANGED + 1, 24 * CHANGED + 24):
        looks = [look(rows[divmod(hours, 24)]) for hours in (place, place - 1, place - 25, place - 48)]
        broken = look(np.round(rows[divmod(place - 24, 24)] * factor + offset, 1))
        evidence_then = Evidence(
            looks[0], look(baseline_rows(name, 9)), looks[1], season=broken, season_before=looks[2], season_earlier=looks[3]
        )
        told.append(finding_of(evidence_then, frozenset({"ks"})).kind)

    assert told == ["drift"] * len(told)


def test_the_window_a_season_before_is_that_of_the_same_hour_or_weekday() -> None:
    hours = [(place * DAY // 24, (place + 1) * DAY // 24) for place in range(72)]
    days = [(place * DAY, (place + 1) * DAY) for place in range(9)]
    weeks = [(place * 7 * DAY, (place + 1) * 7 * DAY) for place in range(9)]

    assert starts_of_season({"1 hour": hours})[50 * DAY // 24] == 26 * DAY // 24
    assert starts_of_season({"1 day": days}) == {7 * DAY: 0, 8 * DAY: DAY}
    assert starts_of_season({"1 week": weeks}) == {}


def thousands(dice: np.random.Generator, rows: int, factor: float = 1.0) -> np.ndarray:
    """Such as the miles of a year, counted in hundreds."""
    return np.round(np.round(dice.lognormal(9.0, 0.45, rows) / 100) * 100 * factor)


def kilometres(seed: int) -> Evidence:
    """The second day of a change: the day before has changed, its weekday and this one had not."""
    dice = np.random.default_rng(seed)
    now, before = (look(thousands(dice, 1200, 1.609344)) for _ in range(2))
    season, season_before, season_earlier = (look(thousands(dice, 1200)) for _ in range(3))
    baseline = look(thousands(dice, 30_000))
    return Evidence(now, baseline, before, {}, "annual", season, season_before, True, season_earlier)


def test_thousands_in_another_unit_are_named_on_the_second_day_too_and_never_for_degrees() -> None:
    named = [str(finding_of(kilometres(seed), frozenset({"ks"})).conclusion) for seed in range(40)]
    assert not [one for one in named if "Celsius" in one or "Fahrenheit" in one]
    assert sum("miles to kilometres" in one for one in named) >= 34


def test_few_thousands_in_another_unit_are_never_taken_for_degrees() -> None:
    def name(seed: int) -> str:
        dice = np.random.default_rng(seed)
        was, now = look(thousands(dice, ROWS)), look(thousands(dice, ROWS, 1.609344))
        fit = unit_fit(was.quantiles, now.quantiles, atoms_before=was.atoms, atoms=now.atoms, rows=(ROWS, ROWS))
        return "" if fit is None else str(fit.name)

    names = [name(seed) for seed in range(200)]
    assert not [one for one in names if "Celsius" in one]
    assert sum("miles to kilometres" in one for one in names) >= 170


@pytest.mark.parametrize("rows", [330, 5_000])
def test_degrees_in_the_other_unit_are_still_named(rows: int) -> None:
    def conclusion(seed: int) -> str:
        dice = np.random.default_rng(seed)
        now = look(np.round(dice.normal(18, 6, rows) * 1.8 + 32, 1))
        return str(finding_of(Evidence(now, look(np.round(dice.normal(18, 6, 20_000), 1))), frozenset({"ks"})).conclusion)

    assert sum("Celsius to Fahrenheit" in conclusion(seed) for seed in range(40)) >= 38
