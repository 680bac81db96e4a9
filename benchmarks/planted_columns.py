"""Columns drawn at random and faults planted in them: numbers, fractions, degrees, hours, codes and strings. No Spark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

Dice = np.random.Generator
Draw = Callable[[Dice, int], np.ndarray]
BASELINE_WINDOWS: Final = 6
QUIET: Final = ("drift",)
"""What is no fault: the distribution is another one."""


@dataclass(frozen=True)
class Planted:
    """A column's values after a fault, the kinds that name it rightly, its factor and words of the sentence where they matter."""

    values: Any
    kinds: tuple[str, ...]
    factor: float | None = None
    words: str = ""


def numbers(dice: Dice) -> tuple[str, Draw]:
    """A kind of number and how it is drawn, in a scale of its own."""
    scale = float(np.exp(dice.uniform(-1, 6)))
    digits = int(dice.integers(0, 4))
    middle = scale * float(dice.uniform(2, 6))
    a, b, share = dice.uniform(0.6, 5), dice.uniform(0.3, 1.1), dice.uniform(0.2, 0.6)
    ways: dict[str, Draw] = {
        "lognormal": lambda one, n: np.round(scale * one.lognormal(0, b, n), digits + 2),
        "uniform": lambda one, n: one.uniform(0.2 * scale, 3 * scale, n),
        "exponential": lambda one, n: one.exponential(scale, n),
        "gamma": lambda one, n: np.round(one.gamma(a, scale, n), digits),
        "normal": lambda one, n: one.normal(middle, scale, n),
        "around": lambda one, n: one.normal(0.15 * scale, scale, n),
        "zeros": lambda one, n: np.where(one.random(n) < share, 0.0, scale * one.lognormal(0, b, n)),
        "two": lambda one, n: np.where(one.random(n) < share, one.normal(scale, 0.1 * scale, n), one.normal(4 * scale, scale, n)),
        "counts": lambda one, n: one.poisson(3 * a, n).astype(float),
        "prices": lambda one, n: np.ceil(5 * one.lognormal(1, b, n)) - 0.01,
    }
    name = str(dice.choice(list(ways)))
    return name, ways[name]


def unit(dice: Dice, values: np.ndarray) -> Planted:
    """Another unit, rounded or not."""
    factor = float(dice.choice([1.609344, 1 / 1.609344, 2.54, 0.453592, 1000.0, 0.001, 100.0, 0.01, 60.0, 3.6, 3.28084]))
    moved = values * factor
    digits = int(dice.choice([2, 4, 12]))
    shown = np.round(moved, digits) if np.median(np.abs(moved)) > 20 * 10.0**-digits else moved
    return Planted(shown, ("unit_change",), factor)


def sign(dice: Dice, values: np.ndarray) -> Planted:
    return Planted(-values, ("unit_change",), -1.0)


def part_of_signs(dice: Dice, values: np.ndarray) -> Planted:
    return Planted(np.where(dice.random(values.size) < 0.3, -values, values), ("unit_change", *QUIET), words="sign")


def sentinel(dice: Dice, values: np.ndarray) -> Planted:
    value = float(dice.choice([-1.0, -99.0, -999.0, -9999.0, 99999.0, 999999.0]))
    return Planted(np.where(dice.random(values.size) < dice.uniform(0.05, 0.7), value, values), ("sentinel",))


def stuck(dice: Dice, values: np.ndarray) -> Planted:
    return Planted(np.full(values.size, np.quantile(values, 0.8, method="inverted_cdf")), ("stuck",))


def missing(dice: Dice, values: np.ndarray) -> Planted:
    lost = dice.random(values.size) < dice.uniform(0.1, 0.9)
    return Planted(pa.array(values, mask=lost), ("missing",))


def offset(dice: Dice, values: np.ndarray) -> Planted:
    step = values.std() * dice.uniform(0.3, 3) * dice.choice([-1, 1])
    return Planted(np.where(values == 0, 0.0, values + step), QUIET)


def stretched(dice: Dice, values: np.ndarray) -> Planted:
    middle = values.mean()
    moved = middle + (values - middle) * dice.choice([0.4, 0.6, 1.6, 2.3])
    return Planted(np.where(values == 0, 0.0, moved), QUIET)


def dearer(dice: Dice, values: np.ndarray) -> Planted:
    """Each value times a factor: where values repeat, the factor can be told."""
    factor = float(dice.uniform(1.1, 1.4))
    if (values == np.round(values)).all():
        return Planted(np.round(values * factor), QUIET)
    return Planted(values * factor, ("unit_change", *QUIET), factor)


def skewed(dice: Dice, values: np.ndarray) -> Planted:
    """Rows of large values come more often: the mix is another one."""
    weights = np.exp(dice.uniform(0.6, 1.6) * np.argsort(np.argsort(values)) / values.size * dice.choice([-1, 1]))
    return Planted(dice.choice(values, values.size, p=weights / weights.sum()), QUIET)


def rounded(dice: Dice, values: np.ndarray) -> Planted:
    step = 10.0 ** np.floor(np.log10(values.std())) * dice.choice([0.1, 0.5, 1.0])
    way = [np.round, np.trunc, np.floor][int(dice.integers(3))]
    return Planted(np.round(way(values / step) * step, 6), QUIET)


def capped(dice: Dice, values: np.ndarray) -> Planted:
    return Planted(np.minimum(values, np.quantile(values, dice.uniform(0.6, 0.9))), QUIET)


def zeros(dice: Dice, values: np.ndarray) -> Planted:
    """Zero where many values were not."""
    return Planted(np.where(dice.random(values.size) < dice.uniform(0.3, 0.8), 0.0, values), ("sentinel",))


def part_of_units(dice: Dice, values: np.ndarray) -> Planted:
    """Another unit in a part of the rows: no name is needed, and no other fault's may be given."""
    hit = dice.random(values.size) < dice.uniform(0.2, 0.6)
    return Planted(np.where(hit, values * dice.choice([1000.0, 100.0, 2.54, 0.01]), values), ("unit_change", *QUIET))


def jumped(dice: Dice, values: np.ndarray) -> Planted:
    """Values one step of their own higher, as counts that begin with one."""
    return Planted(values + 1, QUIET)


NUMERIC: Final = (
    zeros,
    part_of_units,
    jumped,
    unit,
    sign,
    part_of_signs,
    sentinel,
    stuck,
    missing,
    offset,
    stretched,
    dearer,
    skewed,
    rounded,
    capped,
)


def percent(dice: Dice, rows: int) -> tuple[str, Any, Any, Any, Planted]:
    """Fractions that become percent, or percent that become fractions."""
    a, b, digits, up = dice.uniform(0.8, 4), dice.uniform(0.8, 4), int(dice.integers(2, 5)), bool(dice.integers(2))
    parts = [np.round(dice.beta(a, b, n), digits) * (1 if up else 100) for n in (BASELINE_WINDOWS * rows, rows, rows)]
    return "share", *parts, Planted(parts[2] * (100 if up else 0.01), ("unit_change",), 100.0 if up else 0.01)


def degrees(dice: Dice, rows: int) -> tuple[str, Any, Any, Any, Planted]:
    """Degrees of Fahrenheit that become Celsius, and back; rounded to tenths."""
    middle, spread, up = dice.uniform(5, 25), dice.uniform(3, 9), bool(dice.integers(2))
    parts = [np.round(dice.normal(middle, spread, n), 1) for n in (BASELINE_WINDOWS * rows, rows, rows)]
    if up:
        return "temperature", *parts, Planted(np.round(parts[2] * 1.8 + 32, 1), ("unit_change",), 1.8)
    parts = [np.round(part * 1.8 + 32, 1) for part in parts]
    return "temperature", *parts, Planted(np.round((parts[2] - 32) / 1.8, 1), ("unit_change",), 1 / 1.8)


def hours(dice: Dice, rows: int) -> tuple[str, Any, Any, Any, Planted]:
    """Hours of the day in another zone."""
    at, zone = dice.uniform(6, 20), int(dice.choice([-8, -5, -2, 2, 5, 9]))
    parts = [np.mod(np.round(dice.normal(at, 3.5, n)), 24) for n in (BASELINE_WINDOWS * rows, rows, rows)]
    return "hour", *parts, Planted(np.mod(parts[2] + zone, 24), ("unit_change",), words="time zone")


def codes(dice: Dice, rows: int) -> tuple[str, Any, Any, Any, Planted]:
    """Integers that are names, all of them moved by one."""
    names = np.sort(dice.choice(np.arange(100, 900), int(dice.integers(4, 20)), replace=False))
    shares = dice.dirichlet(np.full(names.size, 2.0))
    parts = [dice.choice(names, n, p=shares).astype(float) for n in (BASELINE_WINDOWS * rows, rows, rows)]
    return "shop_id", *parts, Planted(parts[2] + 1, ("encoding_swap", "unseen_category"))


def inverted(dice: Dice, rows: int) -> tuple[str, Any, Any, Any, Planted]:
    """Yes and no exchanged: numbers or texts."""
    share, texts = dice.choice([0.1, 0.2, 0.3]), bool(dice.integers(2))
    parts = [(dice.random(n) < share).astype(float) for n in (BASELINE_WINDOWS * rows, rows, rows)]
    other = 1 - parts[2]
    as_shown = (lambda one: np.where(one > 0, "yes", "no")) if texts else (lambda one: one)
    return "is_new", *map(as_shown, parts), Planted(as_shown(other), ("encoding_swap",))


SPECIAL: Final = (percent, degrees, hours, codes, inverted)
WORDS: Final = ("n/a", "N/A", "NULL", "null", "None", "unknown", "-", "?", "nan", "missing", "#N/A", "not available")


def texts(dice: Dice) -> tuple[str, Draw]:
    """A kind of string and how it is drawn."""
    words = ["Zürich", "Köln", "Paris", "Málaga", "London", "Berlin", "Łódź", "Oslo", "Madrid", "Roma", "Bruxelles", "Liège"]
    shares = dice.dirichlet(np.full(len(words), 1.5))
    digits, middle = int(dice.integers(1, 3)), dice.uniform(3, 3_000)
    ways: dict[str, Draw] = {
        "city": lambda one, n: one.choice(words, n, p=shares),
        "plan": lambda one, n: one.choice(["basic", "plus", "premium", "enterprise"], n, p=[0.5, 0.3, 0.15, 0.05]),
        "amount": lambda one, n: np.array([f"{x:.{digits}f}" for x in middle * one.lognormal(0, 0.8, n)]),
        "code": lambda one, n: np.array([f"AB-{x:05d}" for x in one.integers(0, 90_000, n)]),
        "zip": lambda one, n: np.array([f"{x:05d}" for x in one.integers(1_000, 99_000, n)]),
        "day": lambda one, n: (np.datetime64("2024-01-01") + one.integers(0, 400, n)).astype(str),
        "name": lambda one, n: np.array([f"{words[x % 12]} Street {x}" for x in one.integers(0, 9_000, n)]),
        "mail": lambda one, n: np.array([f"user{x}@example.org" for x in one.integers(0, 90_000, n)]),
    }
    name = str(dice.choice(list(ways)))
    return name, ways[name]


def _placeholder(dice: Dice, name: str, values: np.ndarray) -> Planted:
    hit = dice.random(values.size) < dice.uniform(0.05, 0.8)
    return Planted(np.where(hit, str(dice.choice(WORDS)), values), ("sentinel",))


def _empty(dice: Dice, name: str, values: np.ndarray) -> Planted:
    return Planted(np.where(dice.random(values.size) < dice.uniform(0.1, 0.8), "", values), ("missing",))


def _cut(dice: Dice, name: str, values: np.ndarray) -> Planted:
    return Planted(np.array([one[:4] for one in values]), ("unseen_category",), words="cut")


def _respelled(dice: Dice, name: str, values: np.ndarray) -> Planted:
    way = [str.upper, lambda one: f" {one}", lambda one: f"{one} "][int(dice.integers(3))]
    return Planted(np.array([way(one) for one in values.tolist()]), ("unseen_category", "encoding_swap"), words="the baseline's")


def _damaged(dice: Dice, name: str, values: np.ndarray) -> Planted:
    return Planted(np.array([one.encode().decode("latin-1") for one in values.tolist()]), ("encoding_swap",), words="encoding")


def _written(dice: Dice, name: str, values: np.ndarray) -> Planted:
    """Numbers or days in another way of writing."""
    if name == "day":
        return Planted(np.array([f"{one[8:]}/{one[5:7]}/{one[:4]}" for one in values]), ("unseen_category",), words="format")
    if name == "zip":
        return Planted(np.array([str(int(one)) for one in values]), ("unseen_category",), words="format")
    kinds = ("schema_change", "unseen_category", *QUIET)  # few amounts may have thousands
    if dice.random() < 0.5:
        return Planted(np.array([one.replace(".", ",") for one in values]), kinds)
    return Planted(np.array([f"{float(one):,.2f}" for one in values]), kinds)


def _number_for_none(dice: Dice, name: str, values: np.ndarray) -> Planted:
    text = str(dice.choice(["1970-01-01", "9999-12-31"] if name == "day" else ["-999", "-1", "99999", "00000"]))
    return Planted(np.where(dice.random(values.size) < dice.uniform(0.1, 0.7), text, values), ("sentinel",))


def _affixed(dice: Dice, name: str, values: np.ndarray) -> Planted:
    """Quotation marks or a prefix around each."""
    way = [lambda one: f'"{one}"', lambda one: f"v_{one}"][int(dice.integers(2))]
    return Planted(np.array([way(one) for one in values.tolist()]), ("unseen_category", "encoding_swap", "schema_change"))


def _newcomer(dice: Dice, name: str, values: np.ndarray) -> Planted:
    hit = dice.random(values.size) < dice.uniform(0.08, 0.6)
    return Planted(np.where(hit, str(dice.choice(["family", "Wien", "trial"])), values), ("unseen_category",), words="not seen")


TEXTUAL: Final[dict[Callable[..., Planted], tuple[str, ...]]] = {
    _placeholder: ("city", "plan", "amount", "code", "zip", "day", "name", "mail"),
    _empty: ("city", "plan", "amount", "code", "day", "name"),
    _cut: ("city", "plan", "name", "mail"),
    _respelled: ("city", "plan"),
    _damaged: ("city", "name"),
    _written: ("day", "zip", "amount"),
    _newcomer: ("city", "plan"),
    _number_for_none: ("amount", "zip", "day"),
    _affixed: ("city", "plan", "amount", "code", "zip", "day"),
}
