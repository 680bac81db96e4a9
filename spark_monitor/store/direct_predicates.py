"""The store's predicates as delta-rs reads them, which evaluates them by DataFusion: its SQL differs a little from Spark's."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

_TIMES = (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ)


def in_datafusion(predicate: str) -> str:
    r"""A predicate of Spark's SQL for delta-rs: strings and names quoted by its rules, timestamps as strings, fields in brackets.

    >>> in_datafusion("`monitor_id` = 'a\\'b' AND `window`.`start` >= TIMESTAMP '2013-09-02 00:00:00.000000+00:00'")
    '"monitor_id" = \'a\'\'b\' AND "window"[\'start\'] >= \'2013-09-02 00:00:00.000000+00:00\''
    """
    return sqlglot.parse_one(predicate, dialect="spark").transform(_plain).sql(dialect="postgres")


def _plain(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Cast) and node.to.this in _TIMES and isinstance(node.this, exp.Literal):
        return node.this
    if isinstance(node, exp.Column):
        *parents, name = (exp.to_identifier(part.name, quoted=True) for part in node.parts)
        if not parents:
            return exp.Column(this=name)
        outer: exp.Expression = exp.Column(this=parents[0])
        for part in (*parents[1:], name):
            outer = exp.Bracket(this=outer, expressions=[exp.Literal.string(part.name)])
        return outer
    return node
