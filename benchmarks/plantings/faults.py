"""Faults to plant: each changes the rows of some windows, and says which one incident it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.plantings.tables import START, Random, Shape

FACTORS = {
    1.609344: "miles to kilometres",
    1 / 1.609344: "kilometres to miles",
    3.6: "m/s to km/h",
    100.0: "euros to cents",
    1000.0: "seconds to milliseconds",
    0.001: "thousandths",
    2.54: "inches to centimetres",
    0.45359237: "pounds to kilograms",
}
Where = tuple[str, str] | None


@dataclass(frozen=True)
class Expected:
    """The incident that a planting should be; a planting in columns names all of them."""

    kinds: tuple[str, ...]
    columns: tuple[str, ...] = ()
    slice: Where = None
    factor: float | None = None
    cause: str | None = None
    words: str | None = None


@dataclass(frozen=True)
class Planted:
    """Rows with a fault, the change of the model's score on them, and what is expected."""

    rows: pd.DataFrame
    noise: np.ndarray
    expected: Expected


@dataclass
class Scene:
    """Where a fault is planted: the rows of all windows, which of them lie in its windows, and dice."""

    shape: Shape
    rows: pd.DataFrame
    inside: np.ndarray
    random: Random
    noise: np.ndarray

    def one(self, names: tuple[str, ...]) -> str:
        """A column drawn by chance."""
        return str(self.random.choice(np.array(names, dtype=object)))

    def somewhere(self, *, but: str = "", chance: float = 0.5) -> tuple[Where, np.ndarray]:
        """All rows of the windows, or those of one slice that is not too small, drawn by chance."""
        keys = [key for key in self.shape.slices if key != but]
        if not keys or self.random.random() > chance:
            return None, self.inside
        key = str(self.random.choice(np.array(keys, dtype=object)))
        shares = self.rows[key].value_counts(normalize=True)
        value = str(self.random.choice(shares[shares > 0.08].index.to_numpy()))
        return (key, value), self.inside & (self.rows[key] == value).to_numpy()

    def changed(self, expected: Expected, **columns: Any) -> Planted:
        """The rows with new columns."""
        return Planted(self.rows.assign(**columns), self.noise, expected)

    def where(self, mask: np.ndarray, column: str, values: Any) -> pd.Series:
        """A column with new values in some rows."""
        old = self.rows[column]
        if pd.api.types.is_numeric_dtype(old):
            old = old.astype("float64")
        return old.where(~mask, values)


Fault = Callable[[Scene], Planted]


def unit(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.numbers), scene.somewhere()
    factor = float(scene.random.choice(np.array(list(FACTORS))))
    expected = Expected(("unit_change",), (column,), slice_, factor)
    return scene.changed(expected, **{column: scene.where(mask, column, scene.rows[column].astype(float) * factor)})


def fahrenheit(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.temperatures), scene.somewhere()
    name = "Fahrenheit"
    values = scene.rows[column].astype(float)
    if scene.shape.name == "flights":  # it is in degrees Fahrenheit
        return scene.changed(
            Expected(("unit_change",), (column,), slice_, 1 / 1.8, words=name),
            **{column: scene.where(mask, column, (values - 32) / 1.8)},
        )
    return scene.changed(
        Expected(("unit_change",), (column,), slice_, 1.8, words=name), **{column: scene.where(mask, column, values * 1.8 + 32)}
    )


def sign(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.signed), scene.somewhere()
    return scene.changed(
        Expected(("unit_change",), (column,), slice_, -1.0, words="sign"),
        **{column: scene.where(mask, column, -scene.rows[column].astype(float))},
    )


def stuck(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.numbers), scene.somewhere()
    last = float(scene.rows[column].dropna().iloc[int(scene.random.integers(100))])
    return scene.changed(Expected(("stuck",), (column,), slice_), **{column: scene.where(mask, column, last)})


def sentinel(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.numbers), scene.somewhere()
    value = float(scene.random.choice([-999.0, -1.0, 99999999.0, -9999.0]))
    hit = mask & (scene.random.random(len(mask)) < scene.random.uniform(0.2, 0.7))
    return scene.changed(Expected(("sentinel",), (column,), slice_), **{column: scene.where(hit, column, value)})


def missing(scene: Scene) -> Planted:
    column = scene.one((*scene.shape.numbers, *scene.shape.texts))
    slice_, mask = scene.somewhere(chance=0.7)
    hit = mask & (scene.random.random(len(mask)) < scene.random.choice([1.0, 0.7]))
    return scene.changed(Expected(("missing",), (column,), slice_), **{column: scene.where(hit, column, None)})


def recoded(scene: Scene) -> Planted:
    shares = {name: scene.rows[name].value_counts(normalize=True) for name in scene.shape.categories}
    telling = tuple(name for name, one in shares.items() if abs(one.to_numpy() - one.to_numpy()[::-1]).sum() > 0.4)
    column = scene.one(telling)
    names = shares[column].index.tolist()
    turned = dict(zip(names, names[::-1], strict=True))
    return scene.changed(
        Expected(("encoding_swap",), (column,)), **{column: scene.where(scene.inside, column, scene.rows[column].map(turned))}
    )


def renamed(scene: Scene) -> Planted:
    column = scene.one(scene.shape.categories)
    names = sorted(scene.rows[column].dropna().unique())
    codes = {name: str(place) for place, name in enumerate(names)}
    return scene.changed(
        Expected(("encoding_swap",), (column,)), **{column: scene.where(scene.inside, column, scene.rows[column].map(codes))}
    )


def recoded_codes(scene: Scene) -> Planted:
    """Integers that are names, exchanged among themselves."""
    column = scene.one(scene.shape.codes)
    names = scene.rows[column].value_counts().index.tolist()
    turned = dict(zip(names, names[::-1], strict=True))
    return scene.changed(
        Expected(("encoding_swap",), (column,)), **{column: scene.where(scene.inside, column, scene.rows[column].map(turned))}
    )


def unseen_code(scene: Scene) -> Planted:
    """An integer that is a name and was never there."""
    column = scene.one(scene.shape.codes)
    hit = scene.inside & (scene.random.random(len(scene.inside)) < scene.random.uniform(0.1, 0.3))
    return scene.changed(Expected(("unseen_category",), (column,), words="77"), **{column: scene.where(hit, column, 77)})


def upper(scene: Scene) -> Planted:
    """Categories in capitals."""
    column = scene.one(scene.shape.categories)
    return scene.changed(
        Expected(("encoding_swap", "unseen_category"), (column,)),
        **{column: scene.where(scene.inside, column, scene.rows[column].str.title() + " ")},
    )


def emptied(scene: Scene) -> Planted:
    """Strings of no letter."""
    column = scene.one((*scene.shape.texts, *scene.shape.categories))
    hit = scene.inside & (scene.random.random(len(scene.inside)) < scene.random.choice([1.0, 0.6]))
    return scene.changed(Expected(("missing",), (column,)), **{column: scene.where(hit, column, "")})


def late_labels(scene: Scene) -> Planted:
    """Labels of some windows that do not come."""
    name = scene.shape.role("label")
    return scene.changed(Expected(("late_data",)), **{name: scene.rows[name].astype("float64").where(~scene.inside)})


def unseen(scene: Scene) -> Planted:
    column = scene.one(scene.shape.categories)
    slice_, mask = scene.somewhere(but=column, chance=0.3)
    hit = mask & (scene.random.random(len(mask)) < scene.random.uniform(0.1, 0.3))
    return scene.changed(
        Expected(("unseen_category",), (column,), slice_, words="newcomer"), **{column: scene.where(hit, column, "newcomer")}
    )


def mojibake(scene: Scene) -> Planted:
    column = scene.one(scene.shape.texts)
    damaged = scene.rows[column].map(_damaged, na_action="ignore")
    if damaged.dropna().equals(scene.rows[column].dropna()):  # strings of ASCII alone: a letter that could not be decoded
        damaged = scene.rows[column].str.replace("[AEO]", "\ufffd", regex=True)
    return scene.changed(Expected(("encoding_swap",), (column,)), **{column: scene.where(scene.inside, column, damaged)})


def _damaged(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def truncated(scene: Scene) -> Planted:
    column, (slice_, mask) = scene.one(scene.shape.texts), scene.somewhere(chance=0.3)
    return scene.changed(
        Expected(("unseen_category",), (column,), slice_, words="cut"),
        **{column: scene.where(mask, column, scene.rows[column].str.slice(0, 4))},
    )


def rotated(scene: Scene) -> Planted:
    """Hours of the day in another zone."""
    column = scene.one(scene.shape.hours)
    hours = int(scene.random.choice([5, 7, 9, -6, -8]))
    values = (scene.rows[column].astype(int) + hours) % 24
    return scene.changed(
        Expected(("unit_change",), (column,), words="zone"), **{column: scene.where(scene.inside, column, values.astype(float))}
    )


def shifted_columns(scene: Scene) -> Planted:
    """A row's values one column further right, as when a separator is lost."""
    names = list(scene.shape.numbers)
    taken = {
        name: scene.where(scene.inside, name, scene.rows[other].astype(float))
        for name, other in zip(names, names[1:] + names[:1], strict=True)
    }
    return scene.changed(Expected(("upstream",), tuple(names)), **taken)


def shifted_rows(scene: Scene) -> Planted:
    """A column's values one row further down: each goes with another row's."""
    column = next(iter(scene.shape.weights))
    moved = scene.rows[column].astype(float).shift(1, fill_value=float(scene.rows[column].astype(float).mean()))
    return scene.changed(
        Expected(("concept_drift", "performance", "drift"), cause=None), **{column: scene.where(scene.inside, column, moved)}
    )


def duplicated(scene: Scene) -> Planted:
    """The first window's rows delivered twice."""
    again = scene.rows[scene.inside]
    rows = pd.concat([scene.rows, again], ignore_index=True)
    noise = np.concatenate([scene.noise, scene.noise[scene.inside]])
    return Planted(rows, noise, Expected(("duplicated_window",)))


def delivered_again(scene: Scene) -> Planted:
    """The window's rows are those of the window before, under times one window later."""
    time, id_ = scene.shape.role("time"), scene.shape.role("id")
    times = scene.rows[time]
    first = START + (times[scene.inside].min() - START) // scene.shape.window * scene.shape.window
    before = ((times >= first - scene.shape.window) & (times < first)).to_numpy()
    copy = scene.rows[before].copy()
    copy[time] = copy[time] + scene.shape.window
    if scene.random.random() < 0.5:
        copy[id_] = copy[id_] + (10**9 if pd.api.types.is_numeric_dtype(copy[id_]) else "-r")
    kept = scene.rows[~scene.inside]
    rows = pd.concat([kept, copy], ignore_index=True)
    noise = np.concatenate([scene.noise[~scene.inside], scene.noise[before]])
    return Planted(rows, noise, Expected(("duplicated_window",)))


def half_lost(scene: Scene) -> Planted:
    times = scene.rows[scene.shape.role("time")]
    middle = times[scene.inside].min() + (times[scene.inside].max() - times[scene.inside].min()) / 2
    gone = scene.inside & (times >= middle).to_numpy()
    return Planted(scene.rows[~gone].reset_index(drop=True), scene.noise[~gone], Expected(("lost_rows",)))


def drifted(scene: Scene) -> Planted:
    """Another distribution that is no other unit: moved, spread, squeezed, or another mixture."""
    column, (slice_, mask) = scene.one(scene.shape.numbers), scene.somewhere()
    values, dice = scene.rows[column].astype(float), scene.random
    middle, spread = float(values.median()), float(values.std())
    step = dice.choice([-1, 1]) * spread * dice.uniform(0.8, 1.1, len(values))
    ways = (
        values + step,
        middle + (values - middle) * dice.uniform(2.0, 3.0) + 0.6 * spread,
        middle + (values - middle) * 0.4 + 0.5 * spread,
        values.where(dice.random(len(values)) < 0.5, values.quantile(0.9) + spread * dice.exponential(1.0, len(values))),
    )
    return scene.changed(
        Expected(("drift",), (column,), slice_), **{column: scene.where(mask, column, ways[int(dice.integers(4))])}
    )


def upstream_missing(scene: Scene) -> Planted:
    names = list(scene.random.choice(np.array([*scene.shape.numbers, *scene.shape.texts], dtype=object), 5, replace=False))
    slice_, mask = scene.somewhere(chance=0.4)
    return scene.changed(
        Expected(("upstream",), tuple(sorted(map(str, names))), slice_),
        **{str(name): scene.where(mask, str(name), None) for name in names},
    )


def broken_feature(scene: Scene) -> Planted:
    """The model's most important number is missing or stuck in one slice."""
    column = max(
        (name for name in scene.shape.weights if pd.api.types.is_numeric_dtype(scene.rows[name])),
        key=lambda name: abs(scene.shape.weights[name]),
    )
    slice_, mask = scene.somewhere(chance=1.0)
    if scene.random.random() < 0.5:
        return scene.changed(Expected(("missing",), (column,), slice_), **{column: scene.where(mask, column, None)})
    value = float(scene.rows[column].astype(float).quantile(0.9))
    return scene.changed(Expected(("stuck",), (column,), slice_), **{column: scene.where(mask, column, value)})


def prior(scene: Scene) -> Planted:
    """Positive labels twice as frequent: negatives are thinned out, the rows of each class stay what they are."""
    label = scene.rows[scene.shape.role("label")].to_numpy()
    rate = label[scene.inside].mean()
    wanted = min(2 * rate, 0.85)
    keep = rate * (1 - wanted) / (wanted * (1 - rate))
    gone = scene.inside & (label == 0) & (scene.random.random(len(label)) > keep)
    again = scene.rows[scene.inside & (label == 1)]
    more = max(int(gone.sum()), 0)
    extra = again.sample(more, replace=True, random_state=int(scene.random.integers(1 << 30))).copy()
    extra[scene.shape.role("id")] = _new_ids(scene, more)
    extra[scene.shape.role("time")] = scene.rows.loc[gone, scene.shape.role("time")].to_numpy()
    rows = pd.concat([scene.rows[~gone], extra], ignore_index=True)
    noise = np.concatenate([scene.noise[~gone], np.zeros(more)])
    return Planted(rows, noise, Expected((), cause="prior"))


def _new_ids(scene: Scene, more: int) -> list[str] | list[int]:
    """Ids that no row has."""
    if pd.api.types.is_numeric_dtype(scene.rows[scene.shape.role("id")]):
        return [2 * 10**9 + number for number in range(more)]
    return [f"more-{number}" for number in range(more)]


def labels_doubled(scene: Scene) -> Planted:
    """Positive labels twice as frequent among the same rows."""
    name = scene.shape.role("label")
    label = scene.rows[name].to_numpy()
    rate = label[scene.inside].mean()
    turned = scene.inside & (label == 0) & (scene.random.random(len(label)) < min(rate / (1 - rate), 0.7))
    return scene.changed(Expected((), cause="prior"), **{name: np.where(turned, 1, label)})


def concept(scene: Scene) -> Planted:
    """In one segment labels no longer follow the score."""
    name = scene.shape.role("label")
    slice_, mask = scene.somewhere(chance=1.0)
    label = scene.rows[name].to_numpy()
    return scene.changed(
        Expected(("concept_drift", "performance"), (), slice_, cause=f"{slice_[0]} = {slice_[1]}" if slice_ else "concept"),
        **{name: np.where(mask, 1 - label, label)},
    )


def worse_version(scene: Scene) -> Planted:
    worse = scene.inside & (scene.rows[scene.shape.role("version")] == scene.shape.versions[-1]).to_numpy()
    noise = np.where(worse, scene.random.normal(0, 6, len(worse)), scene.noise)
    return Planted(scene.rows, noise, Expected(("version",)))


def tripled_slice(scene: Scene) -> Planted:
    shares = {key: scene.rows[key].value_counts(normalize=True) for key in scene.shape.slices}
    fitting = [(key, str(value)) for key, one in shares.items() for value in one[(one > 0.06) & (one < 0.32)].index]
    key, value = fitting[int(scene.random.integers(len(fitting)))]
    of_slice, others = scene.inside & (scene.rows[key] == value).to_numpy(), scene.inside & (scene.rows[key] != value).to_numpy()
    share = of_slice.sum() / scene.inside.sum()
    gone = others & (scene.random.random(len(others)) < 2 * share / (1 - share))
    extra = scene.rows[of_slice].sample(int(gone.sum()), replace=True, random_state=int(scene.random.integers(1 << 30))).copy()
    extra[scene.shape.role("id")] = _new_ids(scene, len(extra))
    extra[scene.shape.role("time")] = scene.rows.loc[gone, scene.shape.role("time")].to_numpy()
    rows = pd.concat([scene.rows[~gone], extra], ignore_index=True)
    noise = np.concatenate([scene.noise[~gone], np.zeros(len(extra))])
    return Planted(rows, noise, Expected(("mix_shift",), slice=(key, value), words=value))


QUALITY: dict[str, Fault] = {
    one.__name__: one
    for one in (
        *(unit, fahrenheit, sign, stuck, sentinel, missing, recoded, renamed, unseen, mojibake, truncated, rotated),
        *(shifted_columns, shifted_rows, duplicated, delivered_again, half_lost, drifted),
        *(recoded_codes, unseen_code, upper, emptied),
    )
}
MODEL: dict[str, Fault] = {
    one.__name__: one for one in (upstream_missing, broken_feature, prior, labels_doubled, concept, worse_version, tripled_slice)
} | {late_labels.__name__: late_labels}


def possible(shape: Shape) -> list[str]:
    """The faults that a shape has columns for."""
    lacking = {
        "fahrenheit": not shape.temperatures,
        "rotated": not shape.hours,
        "worse_version": not shape.versions,
        **dict.fromkeys(("recoded_codes", "unseen_code"), not shape.codes),
        **dict.fromkeys(("tripled_slice", "concept", "broken_feature"), not shape.slices),
    }
    return [name for name in (*QUALITY, *MODEL) if not lacking.get(name, False)]
