"""Boolean conditions over columns, evaluated on Arrow arrays with Spark's meaning: three-valued logic, NaN above every number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

Value = bool | int | float | str | date
ColumnOf = Callable[[str], pa.Array]

COMPARE = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
JOIN = {"and": pc.and_kleene, "or": pc.or_kleene}
_TRUE_FOR_NAN = frozenset({"!=", ">", ">="})


class Condition(Protocol):
    """Something that is true, false or unknown for every row."""

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where unknown."""


@dataclass(frozen=True)
class Compared:
    """A column against a literal.

    >>> Compared("x", ">", 1.0).of(lambda name: pa.array([0.5, 2.0, float("nan"), None])).to_pylist()
    [False, True, True, None]
    """

    name: str
    operator: str
    value: Value

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where the column is."""
        values = plain(column(self.name))
        if isinstance(self.value, float):
            values = values.cast(pa.float64())
        elif isinstance(self.value, int) and not isinstance(self.value, bool) and pa.types.is_integer(values.type):
            values = values.cast(pa.int64())
        flags = COMPARE[self.operator](values, pa.scalar(self.value))
        if self.operator in _TRUE_FOR_NAN and pa.types.is_floating(values.type):
            flags = pc.or_(flags, pc.is_nan(values))
        return flags


@dataclass(frozen=True)
class Alike:
    """A string against a pattern of ``%`` and ``_``."""

    name: str
    pattern: str

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where the column is."""
        return pc.match_like(plain(column(self.name)), self.pattern)


@dataclass(frozen=True)
class IsNull:
    """Whether a column is null; never unknown."""

    name: str

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans."""
        return column(self.name).is_null()


@dataclass(frozen=True)
class Flag:
    """A boolean column itself."""

    name: str

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where the column is."""
        return column(self.name)


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    inner: Condition

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where unknown."""
        return pc.invert(self.inner.of(column))


@dataclass(frozen=True)
class Joined:
    """Two conditions by ``and`` or ``or``, by Kleene: unknown only where the other does not decide.

    >>> both = Joined(IsNull("x"), "and", Flag("y"))
    >>> both.of({"x": pa.array([1, None]), "y": pa.array([None, None], pa.bool_())}.__getitem__).to_pylist()
    [False, None]
    """

    left: Condition
    operator: str
    right: Condition

    def of(self, column: ColumnOf) -> pa.Array:
        """Booleans; null where unknown."""
        return JOIN[self.operator](self.left.of(column), self.right.of(column))


def plain(values: pa.Array) -> pa.Array:
    """The values of an array that may be encoded by a dictionary."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
