"""Which SQL conditions mean the same outside Spark: those over one table's columns and literals whose types leave no doubt.

Everything else is refused with a sentence, and Spark itself evaluates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from math import isfinite

import sqlglot
from sqlglot import exp

from spark_monitor.kernel.conditions import Alike, Compared, Condition, Flag, IsNull, Joined, Not, Value
from spark_monitor.sources.readers.rows import OnlySpark

EXACT_DOUBLE, EXACT_FLOAT = 1 << 53, 1 << 24
WHOLE_NUMBERS = ("tinyint", "smallint", "int", "bigint")
_OPERATORS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_PARTS = frozenset({"this", "expression", "expressions", "low", "high", "to", "is_string"})
"""What a part of a parsed expression may have; anything else says something that is not looked at here."""

_TURNED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def condition(sql: str, types: Mapping[str, str]) -> Condition:
    """A SQL condition over columns of these types (Spark's simple strings); ``OnlySpark`` says what stands in the way.

    >>> condition("distance > 1000 AND NOT (carrier = 'UA')", {"distance": "int", "carrier": "string"})
    ... # doctest: +NORMALIZE_WHITESPACE
    Joined(left=Compared(name='distance', operator='>', value=1000), operator='and',
           right=Not(inner=Compared(name='carrier', operator='=', value='UA')))
    """
    if '"' in sql:  # a name or a text, as the session's settings say
        raise OnlySpark(f"the slice {sql} has double quotes, of which only Spark knows whether they hold names or strings")
    try:
        tree = sqlglot.parse_one(sql, read="spark")
    except Exception:  # of a call without its arguments the parser raises IndexError, KeyError and more
        raise OnlySpark(f"the expression {sql} is read by Spark's own parser only") from None
    return _Reader(sql, types).condition(tree)


class _Reader:
    """Turns a parsed expression into a condition."""

    def __init__(self, sql: str, types: Mapping[str, str]) -> None:
        self._sql, self._types = sql, types

    def condition(self, tree: exp.Expr) -> Condition:
        modifiers = {name for name, part in tree.args.items() if part and name not in _PARTS}
        if modifiers == {"negate"}:  # x NOT LIKE y
            positive = tree.copy()
            positive.set("negate", None)
            return Not(self.condition(positive))
        if modifiers:
            raise self._refused(tree)
        if isinstance(tree, exp.Paren):
            return self.condition(tree.this)
        if isinstance(tree, exp.Not):
            return Not(self.condition(tree.this))
        if isinstance(tree, exp.And):
            return Joined(self.condition(tree.left), "and", self.condition(tree.right))
        if isinstance(tree, exp.Or):
            return Joined(self.condition(tree.left), "or", self.condition(tree.right))
        if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
            return IsNull(self._name(tree.this))
        return self._of_column(tree)

    def _of_column(self, tree: exp.Expr) -> Condition:
        if isinstance(tree, exp.Column):
            return self._flag(tree)
        if type(tree) in _OPERATORS:
            return self._compared(tree)
        if isinstance(tree, exp.Between):
            name = self._name(tree.this)
            low, high = tree.args["low"], tree.args["high"]
            return Joined(self._against(name, ">=", low), "and", self._against(name, "<=", high))
        if isinstance(tree, exp.In) and tree.expressions:
            name = self._name(tree.this)
            conditions: list[Condition] = [self._against(name, "=", value) for value in tree.expressions]
            return reduce(lambda left, right: Joined(left, "or", right), conditions)
        if isinstance(tree, exp.Like) and isinstance(tree.expression, exp.Literal):
            return self._alike(tree)
        raise self._refused(tree)

    def _compared(self, tree: exp.Expr) -> Condition:
        operator = _OPERATORS[type(tree)]
        left, right = tree.args["this"], tree.args["expression"]
        if isinstance(left, exp.Column):
            return self._against(self._name(left), operator, right)
        if isinstance(right, exp.Column):
            return self._against(self._name(right), _TURNED[operator], left)
        raise self._refused(tree)

    def _against(self, name: str, operator: str, tree: exp.Expr) -> Condition:
        return Compared(name, operator, self._value(self._types[name], tree))

    def _flag(self, tree: exp.Column) -> Condition:
        name = self._name(tree)
        if self._types[name] != "boolean":
            raise self._refused(tree)
        return Flag(name)

    def _alike(self, tree: exp.Like) -> Condition:
        name, pattern = self._name(tree.this), tree.expression
        if self._types[name] != "string" or not pattern.is_string or "\\" in pattern.this:
            raise self._refused(tree)
        return Alike(name, pattern.this)

    def _name(self, tree: exp.Expr) -> str:
        """The column that is meant: Spark's names do not tell cases apart."""
        if not isinstance(tree, exp.Column) or tree.table:
            raise self._refused(tree)
        if tree.name in self._types:
            return tree.name
        names = [name for name in self._types if name.lower() == tree.name.lower()]
        if len(names) != 1:
            raise self._refused(tree)
        return names[0]

    def _value(self, data_type: str, tree: exp.Expr) -> Value:
        """A literal that compares with a column of this type without a conversion that could round."""
        negative = isinstance(tree, exp.Neg)
        literal = tree.this if negative else tree
        if isinstance(literal, exp.Boolean) and not negative and data_type == "boolean":
            return bool(literal.this)
        if isinstance(literal, exp.Cast) and not negative and data_type == "date":
            return self._date(literal)
        if not isinstance(literal, exp.Literal) or {name for name, part in literal.args.items() if part} - _PARTS:
            raise self._refused(tree)
        if literal.is_string:
            if data_type != "string" or negative or any(sign in literal.this for sign in "\\'"):
                raise self._refused(tree)
            return str(literal.this)
        return self._number(data_type, ("-" if negative else "") + str(literal.this))

    def _number(self, data_type: str, text: str) -> Value:
        whole = text.lstrip("-").isdecimal()
        if data_type in WHOLE_NUMBERS and whole and -(1 << 63) <= int(text) < 1 << 63:
            return int(text)
        try:
            number = float(text)
        except ValueError:
            raise OnlySpark(f"the number {text} in the slice {self._sql} is Spark's own kind") from None
        if not isfinite(number):
            raise OnlySpark(f"the number {text} in the slice {self._sql} is beyond the largest double")
        most = {"float": EXACT_FLOAT, "double": EXACT_DOUBLE}.get(data_type, 0)
        small = data_type in WHOLE_NUMBERS[:3]  # exact as doubles, as are comparisons with them
        if not (small or (most and (not whole or abs(number) <= most))):
            raise OnlySpark(f"the slice {self._sql} compares a {data_type} column with {text}")
        return number

    def _date(self, tree: exp.Cast) -> date:
        inner = tree.this
        if tree.to.this == exp.DataType.Type.DATE and isinstance(inner, exp.Literal) and inner.is_string:
            try:
                return date.fromisoformat(inner.this)
            except ValueError:
                pass
        raise self._refused(tree)

    def _refused(self, tree: exp.Expr) -> OnlySpark:
        try:
            part = tree.sql(dialect="spark")
        except Exception:
            part = "a part of it"
        return OnlySpark(f"the slice {self._sql} needs Spark to evaluate {part}")
