"""Which column is what: guesses from the names and types of a prediction table, and from its first rows. No Spark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spark_monitor.commands.given_roles import Free, Given
from spark_monitor.commands.label_guesses import FACT, MOST_CLASSES, chosen, label_fits
from spark_monitor.commands.role_words import (
    ANSWER_WORDS,
    ID_WORDS,
    KNOWN_WORDS,
    LABEL_WORDS,
    MADE_WORDS,
    PREDICTED_WORDS,
    SCORE_WORDS,
    TIME_WORDS,
    VERSION_WORDS,
    is_probability_of,
)
from spark_monitor.config.expressions import is_allowed
from spark_monitor.text.words import words_of

Task = Literal["binary", "multiclass", "regression", "none"]
Kind = Literal["time", "whole", "real", "text", "boolean", "other"]

MOST_SLICE_VALUES, SLICES_SUGGESTED = 20, 3
REPEATED = 1.2
"""Ids that stand in more rows than so many, a version, name no single prediction; distinct values are counted within 5 %."""

POSITIVE_STRINGS = ("1", "true", "yes", "y", "t", "positive", "pos")


@dataclass(frozen=True)
class Column:
    """A column by its name and the kind of its values, with what the first rows hold of it where that was asked."""

    name: str
    kind: Kind
    values: tuple[Any, ...] | None = None
    count: int | None = None
    within_unit: bool | None = None
    missing: float | None = None
    """Which percent of its rows is NULL."""

    has_both_signs: bool | None = None
    """Whether numbers below and above zero are among its values."""

    infinite: float | None = None
    """Which percent of its rows is plus or minus infinity."""

    is_code: bool = False
    """Whether its integers, which may be written as doubles, are names."""

    repeats: float | None = None
    """In how many rows a value stands, on average."""

    greatest: float | None = None
    """Of integers whose name is a time's, the greatest: it tells seconds from milliseconds."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name, in lower case.

        >>> Column("modelVersion", "text").words, Column("y_pred", "real").words
        (('model', 'version'), ('y', 'pred'))
        """
        return words_of(self.name)


@dataclass(frozen=True)
class Roles:
    """What the columns were taken for, and which others each role could have gone to."""

    task: Task
    time: str
    id: str | tuple[str, ...]
    model_version: str | None = None
    prediction: str | None = None
    score: str | None = None
    positive: Any = 1
    label: str | None = None
    label_time: str | None = None
    strings: tuple[str, ...] = ()
    """Strings of few values, a predicted class among them: a model that no longer predicts one is seen before the labels come."""

    codes: tuple[str, ...] = ()
    """Integers that are names, which are compared as categories; they are among the ``strings``.

    So are doubles that are names, but their text is Spark's own: what is frozen of them says that they are names.
    """

    slices: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    """Further times, and numbers that are counted up: they move with the calendar, every window is another distribution."""
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maybe_labels: tuple[str, ...] = ()
    """Columns that may hold the label (ground truth), where none surely does."""

    given: frozenset[str] = frozenset()
    """The roles that a person gave: these are no guesses."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns of the id."""
        return (self.id,) if isinstance(self.id, str) else self.id


Together = Callable[[Sequence[Column], Column], Mapping[str, float | None]]
"""How closely columns go with a score or a prediction: Pearson's correlation, of two classes that of the last in their order."""


def guess_roles(columns: Sequence[Column], together: Together | None = None, given: Given | None = None) -> Roles | None:
    """The roles of a table's columns, those that a person gave as they are; None where no column says when.

    >>> names = [("flight_id", "text"), ("predicted_at", "time"), ("probability", "real"), ("distance", "whole")]
    >>> roles = guess_roles([Column(name, kind) for name, kind in names])
    >>> (roles.id, roles.time, roles.score, roles.prediction, roles.task)
    ('flight_id', 'predicted_at', 'probability', None, 'binary')
    """
    # A name that could be more than a name cannot stand in the file: such a column goes into a view first.
    columns = [column for column in columns if is_allowed(column.name)]
    given = given or {}
    free = Free(columns, given)
    label_time = free.take("label_time", _label_time)
    time = free.take("time", _time) or label_time
    if time is None:
        return None
    version = free.take("model_version", _model_version)
    versions = (version.count if version is not None else None) or 1
    id_ = free.take("id", lambda column: _id(column, versions))
    score, prediction = free.take("score", _score), free.take("prediction", _prediction)
    if prediction is not None and score is None and "prediction" not in given and _is_probability(prediction):
        score, prediction = prediction, None
    task = guess_task(prediction, score)
    label, direction, maybe = _label(free, task, prediction, score, together)
    if label is None and label_time is not None and label_time is not time and "label_time" not in given:
        free.columns.append(label_time)
        label_time = None
    id_ = id_ or free.take("id", lambda column: _could_be_id(column, versions)) or time
    return Roles(
        task=task,
        time=time.name,
        id=_ids_given(given) or ((id_.name, time.name) if _comes_again(id_, versions) and id_ is not time else id_.name),
        model_version=_name(version),
        prediction=_name(prediction),
        score=_name(score) if task == "binary" else None,
        positive=guess_positive(label, prediction, direction) if task == "binary" else 1,
        label=_name(label),
        label_time=_name(label_time) if label is not None and label_time is not time else None,
        strings=(
            *(column.name for column in free.columns if _has_few_strings(column) or column.is_code),
            *([prediction.name] if prediction is not None and _has_few_strings(prediction) else []),
        ),
        codes=tuple(column.name for column in free.columns if column.is_code and column.kind == "whole"),
        slices=tuple(column.name for column in free.columns if _cuts(column))[:SLICES_SUGGESTED],
        times=tuple(column.name for column in free.columns if column.kind == "time"),
        others=free.others,
        maybe_labels=() if label is not None else maybe,
        given=frozenset(given),
    )


def _ids_given(given: Given) -> str | tuple[str, ...] | None:
    names = given.get("id", ())
    return names if len(names) > 1 else next(iter(names), None)


def _label(
    free: Free, task: Task, prediction: Column | None, score: Column | None, together: Together | None
) -> tuple[Column | None, float | None, tuple[str, ...]]:
    """The label, how it goes with the answers, and which other columns may be it."""
    answers = [one for one in (score, prediction) if one is not None]
    if task == "none" or not answers:
        return None, None, ()
    words = [word for one in answers for word in (one.words[1:] if is_probability_of(one.words) else one.words)]
    if "label" in free.given:
        label = free.given["label"][0]
        return label, together([label], answers[0]).get(label.name) if together is not None and task == "binary" else None, ()
    by_name = {one.name: one for one in free.columns}
    fits = {name: fit for name, one in by_name.items() if (fit := label_fits(one, words, task))}
    correlations = together([by_name[name] for name in fits], answers[0]) if together is not None and task != "multiclass" else {}
    name, maybe = chosen(fits, correlations)
    if name is None:
        return None, None, maybe
    free.columns.remove(by_name[name])
    free.others["label"] = tuple(one for one in maybe if fits[one] > FACT)
    return by_name[name], correlations.get(name), maybe


def guess_task(prediction: Column | None, score: Column | None) -> Task:
    """What kind of answer the model gives."""
    if prediction is None:
        return "binary" if score is not None else "none"
    if prediction.values:
        classes = len(prediction.values)
        if prediction.kind == "boolean" or classes <= len(("no", "yes")):
            return "binary"
        measures = prediction.kind == "real" or (prediction.kind == "whole" and classes > MOST_CLASSES)
        return "regression" if measures else "multiclass"
    if prediction.kind == "boolean" or score is not None:
        return "binary"
    by_kind: dict[str, Task] = {"text": "multiclass", "real": "regression"}
    return by_kind.get(prediction.kind, "binary")


def guess_positive(label: Column | None, prediction: Column | None, direction: float | None = None) -> Any:
    """The value that means yes, in the words of the labels or else of the predictions.

    Where no word tells, it is the one with the higher scores: ``direction`` is below 0 where that is the first in their order.
    """
    column = next((one for one in (label, prediction) if one is not None and one.values), label or prediction)
    if column is None:
        return 1
    if column.kind == "boolean":
        return True
    values = column.values or ()
    meaning_yes = [value for value in values if f"{value:g}" in POSITIVE_STRINGS] if column.kind == "real" else []
    meaning_yes = meaning_yes or [value for value in values if str(value).lower() in POSITIVE_STRINGS]
    first = direction is not None and direction < 0 and column is label
    return next(iter(meaning_yes), (min if first else max)(values, key=str, default=1))


def is_answer(name: str) -> bool:
    """Whether a column may hold what was predicted, or the label (ground truth): its values are worth a look."""
    return bool(set(Column(name, "other").words) & (PREDICTED_WORDS | LABEL_WORDS | {"hat"}))


def _label_time(column: Column) -> int:
    words = set(column.words)
    return int(column.kind == "time" and bool(words & (LABEL_WORDS | KNOWN_WORDS)) and not words & PREDICTED_WORDS)


def _time(column: Column) -> int:
    if column.kind != "time":
        return 0
    words = set(column.words)
    return 3 if words & MADE_WORDS else 2 if words <= TIME_WORDS else 1


def _model_version(column: Column) -> int:
    words = set(column.words)
    if column.kind not in ("text", "whole") or not (words & VERSION_WORDS or {"model", "id"} <= words):
        return 0
    return 3 if {"model", "version"} <= words else 2 if "model" in words else 1


def _comes_again(column: Column, versions: int) -> bool:
    """Whether values come in more rows than there are versions: a customer's or a shop's name, not a prediction's."""
    return column.repeats is not None and column.repeats > REPEATED * versions


def _id(column: Column, versions: int) -> int:
    words = set(column.words)
    if column.kind not in ("text", "whole") or "model" in words or not words & ID_WORDS:
        return 0
    unique = 0 if _comes_again(column, versions) else 4
    return unique + (4 if words & MADE_WORDS else 3 if words <= ID_WORDS else 2 if column.words[-1] in ID_WORDS else 1)


def _could_be_id(column: Column, versions: int) -> int:
    """Whether its values may be ids: those of a column that cuts the rows into a few parts are none, whatever its place."""
    many = column.kind in ("text", "whole") and (column.count is None or column.count > MOST_SLICE_VALUES)
    return (1 if _comes_again(column, versions) else 2) if many else 0


def _score(column: Column) -> int:
    words = set(column.words)
    if column.kind != "real" or column.within_unit is False or not (words & SCORE_WORDS or is_probability_of(column.words)):
        return 0
    return 2 if words <= SCORE_WORDS | PREDICTED_WORDS | ANSWER_WORDS else 1


def _prediction(column: Column) -> int:
    words = set(column.words)
    if column.kind in ("time", "other") or words & (SCORE_WORDS | ID_WORDS):
        return 0
    if not (words & PREDICTED_WORDS or {"y", "hat"} <= words):
        return 0
    return 2 if words <= PREDICTED_WORDS | LABEL_WORDS | ANSWER_WORDS else 1


def _is_probability(column: Column) -> bool:
    """Whether a predicted number lies between 0 and 1 and is more than a class written as a number."""
    return column.kind == "real" and column.within_unit is True and len(column.values or ()) > len(("no", "yes"))


def _has_few_strings(column: Column) -> bool:
    return column.kind == "text" and column.count is not None and column.count <= MOST_CLASSES


def _cuts(column: Column) -> bool:
    return column.kind in ("text", "boolean") and column.count is not None and 2 <= column.count <= MOST_SLICE_VALUES


def _name(column: Column | None) -> str | None:
    return column.name if column is not None else None
