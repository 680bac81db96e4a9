"""The SQL of custom metrics, read without a table: one aggregate over rows, and nothing else.

What is written is parsed and written anew: a division becomes ``try_divide`` and a cast ``try_cast``, so that one row, or one
empty denominator, never ends a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from spark_monitor.config.expressions import name_of, require_allowed_calls, require_row
from spark_monitor.config.file import describe, require_no_variable
from spark_monitor.config.functions import AGGREGATES, ROW_FUNCTIONS
from spark_monitor.errors import ConfigError

Form = Literal["ratio", "sum", "count", "other"]
_SAME: Final[dict[str, type[exp.AggFunc]]] = {
    "mean": exp.Avg,
    "std": exp.Stddev,
    "every": exp.LogicalAnd,
    "some": exp.LogicalOr,
}
_ROOTS: Final = ("baseline", "previous")
WRITTEN: Final = "databricks"
"""The dialect that is written: Spark's, with TRY_CAST where Spark's own drops it."""


@dataclass(frozen=True)
class Aggregate:
    """A parsed aggregate: ``sql`` as it is run; ``numerator`` and ``denominator`` are of a row where the form is known."""

    sql: str
    form: Form
    numerator: str | None = None
    denominator: str | None = None


@dataclass(frozen=True)
class Derived:
    """A parsed expression of other metrics: its SQL over columns named by ``columns``, (root, metric) to column."""

    sql: str
    columns: tuple[tuple[str | None, str, str], ...]


def parse_aggregate(text: str) -> Aggregate:
    """An aggregate as Spark runs it, and its form where an interval follows from sums.

    >>> parse_aggregate("sum(amount) / count(*)")
    Aggregate(sql='TRY_DIVIDE(SUM(amount), COUNT(*))', form='ratio', numerator='amount', denominator='1')
    """
    tree = _parsed(text)
    require_allowed_calls(text, ROW_FUNCTIONS | AGGREGATES)
    if not any(map(_is_aggregate, tree.walk())):
        raise ConfigError(
            f"found {describe(text)}, which aggregates nothing. Allowed: an aggregate, such as sum(amount) / count(*)."
        )
    for column in _outside_aggregates(tree):
        raise ConfigError(
            f"found {describe(text)}: {column.sql()} stands outside an aggregate. Put it into one, such as avg({column.sql()})."
        )
    with _understood(text):
        numerator, denominator, form = _form(tree)
    with _understood(text):
        parts = [None if part is None else _safe(part).sql(dialect=WRITTEN) for part in (numerator, denominator)]
        return Aggregate(_safe(tree).sql(dialect=WRITTEN), form, *parts)


def parse_derived(text: str, metrics: Iterable[str]) -> Derived:
    """An expression of metrics: ``name``, ``baseline.name`` and ``previous.name``.

    >>> parse_derived("a / baseline.a - 1", ["a"])
    Derived(sql='TRY_DIVIDE(v0, v1) - 1', columns=((None, 'a', 'v0'), ('baseline', 'a', 'v1')))
    """
    tree, names = _parsed(text), set(metrics)
    require_allowed_calls(text, ROW_FUNCTIONS | AGGREGATES)  # of an aggregate there is a sentence below
    tree = exp.Paren(this=tree) if isinstance(tree, exp.Column) else tree
    columns: dict[tuple[str | None, str], str] = {}
    for column in list(tree.find_all(exp.Column)):
        root, name = column.table or None, column.name
        if root is not None and root not in _ROOTS:
            raise ConfigError(f'found "{root}.{name}". Allowed before a metric: {", ".join(_ROOTS)}.')
        if name not in names:
            raise ConfigError(f'found the metric "{name}". Allowed: {", ".join(sorted(names)) or "the names of other metrics"}.')
        column.replace(exp.column(columns.setdefault((root, name), f"v{len(columns)}")))
    if any(map(_is_aggregate, tree.walk())):
        raise ConfigError(
            f"found {describe(text)}, which aggregates. Put aggregates into `sql` of a metric of their own and name it here."
        )
    with _understood(text):
        return Derived(_safe(tree).sql(dialect=WRITTEN), tuple((root, name, column) for (root, name), column in columns.items()))


@contextmanager
def _understood(text: str) -> Iterator[None]:
    """ConfigError for whatever the parser raises: of a call without its arguments that is IndexError, KeyError and more."""
    try:
        yield
    except Exception as error:
        first = str(error).partition("\n")[0] if isinstance(error, SqlglotError) else "it is too deep, or a call lacks arguments"
        reason = re.sub(r" for <class '[^']*'>", "", first)
        raise ConfigError(
            f"found {describe(text)}, which is no SQL expression ({reason}). Allowed: sum(amount) / count(*)."
        ) from None


def _parsed(text: str) -> exp.Expr:
    require_no_variable(text)
    if ";" in text or "--" in text or "/*" in text:
        raise ConfigError(f"found {describe(text)}. Allowed: one SQL expression without comments and without a semicolon.")
    with _understood(text):
        tree = sqlglot.parse_one(text, dialect="spark")
    if _reaches_out(tree):
        raise ConfigError(
            f"found {describe(text)}. Allowed: an expression of one table's columns, without subquery, join or window."
        )
    if tree.find(exp.WithinGroup) is not None:
        step = "Write percentile(x, 0.5) for percentile_cont(0.5), mode(x) for mode()"
        raise ConfigError(f"found {describe(text)}, which orders the rows (WITHIN GROUP). {step}.")
    if tree.find(exp.Alias) is not None:
        raise ConfigError(f"found {describe(text)}, which gives its value a name. The name is the metric's own: leave AS out.")
    if any(name_of(function) == "input_file_name" for function in tree.find_all(exp.Func)):
        raise ConfigError(f"found {describe(text)}: input_file_name is not allowed, for its value does not follow from the rows.")
    require_row(tree, text)
    return _named_in_full(tree)


def _named_in_full(tree: exp.Expr) -> exp.Expr:
    """The same with Spark's other names of aggregates written as the ones that the parser knows."""
    for function in list(tree.find_all(exp.Anonymous)):
        same = _SAME.get(name_of(function))
        if same is None or len(function.expressions) != 1:
            continue
        written = same(this=function.expressions[0])
        if function is tree:
            return written
        function.replace(written)
    return tree


def _reaches_out(tree: exp.Expr) -> bool:
    """Whether an expression reads other rows than those it aggregates; the star of count(*) does not."""
    if tree.find(exp.Query, exp.DDL, exp.DML, exp.Command, exp.Join, exp.Window) is not None:
        return True
    return any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))


def _outside_aggregates(tree: exp.Expr) -> list[exp.Column]:
    return [column for column in tree.find_all(exp.Column) if not any(map(_is_aggregate, _above(column)))]


def _above(node: exp.Expr) -> Iterator[exp.Expr]:
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def _is_aggregate(node: exp.Expr) -> bool:
    """Whether what is below a node is aggregated; the parser takes the names that it does not know for functions of a row."""
    named = isinstance(node, exp.Anonymous) and name_of(node) in AGGREGATES
    return named or isinstance(node, exp.AggFunc | exp.Filter)


def _form(tree: exp.Expr) -> tuple[exp.Expr | None, exp.Expr | None, Form]:
    """Numerator and denominator of a row, and the form."""
    inner = tree.unnest()
    if isinstance(inner, exp.Avg) and not isinstance(inner.this, exp.Distinct):
        return inner.this, _counted(inner.this), "ratio"
    if isinstance(inner, exp.Div):
        top, bottom = _summed(inner.left.unnest()), _summed(inner.right.unnest())
        return (top, bottom, "ratio") if top is not None and bottom is not None else (None, None, "other")
    if isinstance(inner, exp.Count | exp.CountIf) and (one := _summed(inner)) is not None:
        return one, None, "count"
    if isinstance(inner, exp.Sum) and (one := _summed(inner)) is not None:
        return one, None, "sum"
    return None, None, "other"


def _summed(aggregate: exp.Expr) -> exp.Expr | None:
    """What a sum or a count adds for each row; None for any other aggregate."""
    if isinstance(aggregate, exp.Sum | exp.Count | exp.CountIf) and aggregate.find(exp.Distinct) is not None:
        return None
    if isinstance(aggregate, exp.Sum):
        return aggregate.this if isinstance(aggregate.this, exp.Expr) else None
    if isinstance(aggregate, exp.Count):
        return exp.Literal.number(1) if isinstance(aggregate.this, exp.Star) else _counted(aggregate.this)
    if isinstance(aggregate, exp.CountIf):
        return _expression(f"CASE WHEN {aggregate.this.sql(dialect='spark')} THEN 1 ELSE 0 END")
    return None


def _counted(value: exp.Expr) -> exp.Expr:
    return _expression(f"CASE WHEN {value.sql(dialect='spark')} IS NOT NULL THEN 1 ELSE 0 END")


def _expression(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="spark")


def _safe(tree: exp.Expr) -> exp.Expr:
    """The same with divisions, remainders and casts that give NULL where there is no result."""
    copied = tree.copy()
    for node in reversed(list(copied.walk())):  # what is inside first: a division may hold another one
        changed = _changed(node)
        if changed is not node and node is copied:
            copied = changed
        elif changed is not node:
            node.replace(changed)
    return copied


def _changed(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Div):
        return exp.Anonymous(this="try_divide", expressions=[node.left, node.right])
    if isinstance(node, exp.IntDiv | exp.Mod):
        return type(node)(this=node.left, expression=_not_zero(node.right))
    if isinstance(node, exp.Anonymous) and name_of(node) == "pmod" and len(node.expressions) == 2:
        first, second = node.expressions
        return exp.Anonymous(this="pmod", expressions=[first, _not_zero(second)])
    return exp.TryCast(this=node.this, to=node.to) if type(node) is exp.Cast else node


def _not_zero(value: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=value, expression=exp.Literal.number(0))
