"""Labels in a table of their own: which columns match the predictions' ids, hold the label and say when it was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spark_monitor.commands.first_rows import ROWS_LOOKED_AT, going_together
from spark_monitor.commands.given_roles import Given
from spark_monitor.commands.label_guesses import (
    FACT,
    LEAST_TOGETHER_OF_OTHERS,
    chosen,
    has_values_of,
    label_fits,
    stems,
)
from spark_monitor.commands.role_words import ARRIVAL_WORDS, ID_WORDS, KNOWN_WORDS, LABEL_WORDS, PREDICTED_WORDS, SCORE_WORDS
from spark_monitor.commands.roles import MOST_SLICE_VALUES, Column, Roles, guess_positive
from spark_monitor.errors import ConfigError
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

LEAST_MEETING: Final = 0.05
"""The part of the first labels whose ids a prediction has, at least: labels may be of other models, too."""

AS_OFTEN: Final = 0.5
"""Of columns that meet at least half as often as the best, the one whose name is an id's is it: integers meet by chance."""

AFTER: Final = 0.9
"""The part of the labels that became known after their predictions, by the column that says when."""

LABEL, LABEL_TIME = "label known", "label time known"
"""The names under which labels stand beside predictions; with their blanks they are hardly a column's own."""


@dataclass(frozen=True)
class LabelTable:
    """A table of labels as the monitor's file names it, and what speaks for it."""

    source: tuple[tuple[str, str], ...]
    id: str | tuple[str, ...]
    label: str
    time: str
    meeting: float
    maybe_labels: tuple[str, ...] = ()
    maybe_times: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that match the predictions' ids, in their order."""
        return (self.id,) if isinstance(self.id, str) else self.id


@dataclass(frozen=True)
class Tables:
    """The two tables and their columns, with what a person said of them."""

    name: str
    predictions: DataFrame
    labels: DataFrame
    columns: Sequence[Column]
    label_columns: Sequence[Column]
    given: Given


def label_table_of(tables: Tables, roles: Roles, source: tuple[tuple[str, str], ...]) -> tuple[LabelTable, Roles]:
    """What the columns of the label table are, and the predictions' roles with it; ConfigError where nothing tells."""
    if roles.task == "none":
        raise ConfigError(
            f"{tables.name}: no column of the predictions is named like a prediction or a score, so labels tell nothing. "
            "Say which it is with --role prediction=COLUMN or --role score=COLUMN."
        )
    ids, own_ids, meeting = _key(tables, roles)
    joined = _beside(tables, ids, own_ids)
    time, maybe_times = _time(tables, joined, roles, ids)
    label, maybe, direction = _label(tables, joined, roles, (*ids, time))
    answers = {one.name: one for one in tables.columns}
    found = LabelTable(source, ids[0] if len(ids) == 1 else ids, label.name, time, meeting, maybe, maybe_times)
    return found, roles_with(roles, own_ids, label, answers.get(roles.prediction or ""), direction)


def roles_with(
    roles: Roles, own_ids: tuple[str, ...], label: Column, prediction: Column | None, direction: float | None
) -> Roles:
    """The predictions' roles where the label is another table's; the columns that its ids match are the id."""
    positive = guess_positive(label, prediction, direction) if roles.task == "binary" else roles.positive
    return replace(
        roles,
        id=own_ids[0] if len(own_ids) == 1 else own_ids,
        label=label.name,
        positive=positive,
        maybe_labels=(),
        label_time=None,
    )


def with_labels(predictions: DataFrame, labels: DataFrame, table: LabelTable, ids: Sequence[str]) -> DataFrame:
    """Predictions with the newest label of their ids, NULL where there is none, as ``LABEL`` and ``LABEL_TIME``."""
    from pyspark.sql import functions as F

    keys = [f"label key {place}" for place in range(len(table.ids))]
    at = F.col(quote(table.time)).cast("timestamp")
    newest = (
        labels.where(F.col(quote(table.label)).isNotNull())
        .groupBy(*(as_key(name).alias(key) for name, key in zip(table.ids, keys, strict=True)))
        .agg(F.max_by(F.col(quote(table.label)), at).alias(LABEL), F.max(at).alias(LABEL_TIME))
    )
    same = [as_key(name) == F.col(quote(key)) for name, key in zip(ids, keys, strict=True)]
    return predictions.join(newest, same, "left").drop(*keys)


def percent_missing(labelled: DataFrame) -> float:
    """Which percent of these predictions has no label."""
    from pyspark.sql import functions as F

    missing = labelled.agg(F.avg(F.when(F.col(quote(LABEL)).isNull(), 100.0).otherwise(0.0))).collect()[0][0]
    return float(missing or 0.0)


def as_key(name: str) -> SparkColumn:
    """An id as it is compared here: its digits or its letters."""
    from pyspark.sql import functions as F

    return F.col(quote(name)).cast("string")


def _key(tables: Tables, roles: Roles) -> tuple[tuple[str, ...], tuple[str, ...], float]:
    """The label table's columns that match the id, the predictions' columns that they match, and how often."""
    names = {one.name for one in tables.label_columns}
    given = tables.given.get("label_id", ())
    if len(roles.ids) > 1 or len(given) > 1:
        ids = given or roles.ids
        if len(ids) != len(roles.ids) or not set(ids) <= names:
            raise _no_key(tables, roles, f"the id is {', '.join(roles.ids)}, all of which a label needs")
        return ids, roles.ids, 1.0
    theirs = given or tuple(one.name for one in tables.label_columns if _may_match(one, roles))
    own = roles.ids if "id" in roles.given else (*roles.ids, *roles.others.get("id", ()))
    shares = _meeting(tables, theirs, own)
    best = max(shares.values(), default=0.0)
    if best < LEAST_MEETING:
        raise _no_key(tables, roles, f"at most {best:.1%} of the first labels meet a prediction")
    often = [pair for pair, share in shares.items() if share >= AS_OFTEN * best]
    column, key = max(often, key=lambda pair: (_alike(pair[0], pair[1]), shares[pair], -own.index(pair[1])))
    return (column,), (key,), shares[(column, key)]


def _may_match(column: Column, roles: Roles) -> bool:
    """Whether a column's values may be ids: a column of few values, such as a label, meets small numbers by chance."""
    many = column.count is None or column.count > MOST_SLICE_VALUES
    return column.kind in ("text", "whole") and (many or column.name in roles.ids)


def _alike(name: str, key: str) -> int:
    """How much the name of a label's column is that of an id.

    >>> _alike("stay_id", "stay_id"), _alike("order", "order_id"), _alike("uuid", "order_id"), _alike("amount", "order_id")
    (3, 2, 1, 0)
    """
    column, other = Column(name, "other"), Column(key, "other")
    if name == key:
        return 3
    if stems(word for word in column.words if word not in ID_WORDS) == stems(
        word for word in other.words if word not in ID_WORDS
    ):
        return 2
    return int(bool(set(column.words) & ID_WORDS))


def _meeting(tables: Tables, theirs: Sequence[str], own: Sequence[str]) -> dict[tuple[str, str], float]:
    """Of each pair of columns, which part of the first labels' values the predictions have: one join."""
    from pyspark.sql import functions as F

    if not theirs:
        return {}

    def stacked(frame: DataFrame, names: Sequence[str], place: str) -> DataFrame:
        each = [F.struct(F.lit(at).alias(place), as_key(name).alias("value")) for at, name in enumerate(names)]
        return frame.select(F.explode(F.array(*each)).alias("one")).select("one.*").where("value IS NOT NULL")

    asked = stacked(tables.labels.limit(ROWS_LOOKED_AT), theirs, "theirs").distinct()
    totals = {row["theirs"]: row["count"] for row in asked.groupBy("theirs").count().collect()}
    met = asked.join(stacked(tables.predictions, own, "own").distinct(), "value").groupBy("theirs", "own").count().collect()
    return {(theirs[row["theirs"]], own[row["own"]]): row["count"] / totals[row["theirs"]] for row in met}


def _no_key(tables: Tables, roles: Roles, why: str) -> ConfigError:
    names = ", ".join(one.name for one in tables.label_columns)
    return ConfigError(
        f"{tables.name}: no column matches the predictions' {', '.join(roles.ids)}: {why}. Its columns: {names}. "
        "Say which it is with --role label_id=COLUMN, and with --role id=COLUMN what it matches."
    )


def _beside(tables: Tables, ids: Sequence[str], own_ids: Sequence[str]) -> DataFrame:
    """The labels' own columns beside the predictions': those that both have are called by numbers."""
    from pyspark.sql import functions as F

    theirs = tables.labels.select(*(F.col(quote(one.name)).alias(_theirs(tables, one.name)) for one in tables.label_columns))
    same = [as_key(own) == as_key(_theirs(tables, name)) for own, name in zip(own_ids, ids, strict=True)]
    return tables.predictions.join(theirs, same)


def _theirs(tables: Tables, name: str) -> str:
    return f"label column {[one.name for one in tables.label_columns].index(name)}"


def _time(tables: Tables, joined: DataFrame, roles: Roles, ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The column that says when a label became known, and others that may."""
    from pyspark.sql import functions as F

    if "label_time" in tables.given:
        return tables.given["label_time"][0], ()
    names = [one.name for one in tables.label_columns if one.kind == "time" and one.name not in ids]
    if not names:
        raise ConfigError(
            f"{tables.name}: no column is a timestamp or a date that says when a label became known. "
            "Make a view that has it, and give the view."
        )
    made = F.col(quote(roles.time)).cast("timestamp")
    later = [F.avg((F.col(quote(_theirs(tables, name))).cast("timestamp") >= made).cast("int")) for name in names]
    parts = joined.limit(ROWS_LOOKED_AT).agg(*later).collect()[0]
    after = {name: part is None or part >= AFTER for name, part in zip(names, parts, strict=True)}
    order = sorted(names, key=lambda name: (after[name], _known(name), name != roles.time), reverse=True)
    return order[0], tuple(order[1:])


def _known(name: str) -> int:
    """How well a time's name says that something became known.

    >>> _known("label_known_at"), _known("recorded_at"), _known("discharged_at"), _known("predicted_at")
    (3, 2, 1, 0)
    """
    words = set(Column(name, "time").words)
    if words & (PREDICTED_WORDS | SCORE_WORDS):
        return 0
    return 3 if words & (KNOWN_WORDS | LABEL_WORDS) else 2 if words & ARRIVAL_WORDS else 1


def _label(tables: Tables, joined: DataFrame, roles: Roles, taken: Sequence[str]) -> tuple[Column, tuple[str, ...], float | None]:
    """The column with the label, others that may be it, and how it goes with the answers."""
    answers = {one.name: one for one in tables.columns}
    answer = answers[str(roles.score or roles.prediction)]
    free = {one.name: one for one in tables.label_columns if one.name not in taken and has_values_of(one, roles.task)}
    if "label" in tables.given:
        free = {one.name: one for one in tables.label_columns if one.name == tables.given["label"][0]}
    together: Mapping[str, float | None] = {}
    if roles.task != "multiclass":
        found = going_together(joined, [_renamed(tables, one) for one in free.values()], answer)
        together = {name: found.get(_theirs(tables, name)) for name in free}
    words = [word for name in (roles.score, roles.prediction) if name is not None for word in answers[name].words]
    fits = {name: label_fits(one, words, roles.task) for name, one in free.items()}
    label, maybe = chosen({name: fit for name, fit in fits.items() if fit}, together)
    if label is None:
        label = _only(free, fits, together)
    if label is None:
        listed = ", ".join(free) or "none has such values"
        raise ConfigError(
            f"{tables.name}: nothing tells which column is the label of a {roles.task} model: {listed}. "
            "Say which it is with --role label=COLUMN."
        )
    return free[label], tuple(name for name in maybe if name != label and fits.get(name, 0) > FACT), together.get(label)


def _renamed(tables: Tables, column: Column) -> Column:
    return Column(_theirs(tables, column.name), column.kind, values=column.values, count=column.count)


def _only(free: Mapping[str, Column], fits: Mapping[str, int], together: Mapping[str, float | None]) -> str | None:
    """The only column that may hold a label, by its values, by a fact's name, or by how it goes with the answers."""
    going = [name for name in free if abs(together.get(name) or 0.0) >= LEAST_TOGETHER_OF_OTHERS]
    facts = [name for name in free if fits[name]]
    return next((names[0] for names in (list(free), facts, going) if len(names) == 1), None)
