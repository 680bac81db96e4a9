"""SQL from a monitor's file held to what it may be: one expression over the row, which reads no other table and has no effect.

Whoever writes a monitor's file may not have the rights of whoever runs it. Text that could be a query, a comment that cuts off
what follows, or a function that runs code or reaches out is refused before Spark sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from spark_monitor.config.file import describe, require_no_variable
from spark_monitor.config.functions import AGGREGATES, BEFORE_PARENTHESES, ORDERED_FUNCTIONS, PREFIXES, ROW_FUNCTIONS
from spark_monitor.errors import ConfigError

REACHING_FUNCTIONS: Final = frozenset(
    {
        *("java_method", "reflect", "try_reflect", "assert_true", "raise_error", "secret", "try_secret", "identifier"),
        *("http_request", "read_files", "cloud_files", "read_kafka", "read_kinesis", "read_pubsub", "read_pulsar", "table"),
        *("remote_query", "table_changes", "event_log", "vector_search", "sql_keywords", "catalog_versions"),
        *("table_changes_by_path", "python_worker_logs", "collations", "range", "read_statestore", "read_state_metadata"),
        *("from_avro", "to_avro", "schema_of_avro", "from_protobuf", "to_protobuf"),  # of a registry's address, or a file
    }
)
"""Functions that run code, end the query, or read what is not in the row."""

UNSTEADY_FUNCTIONS: Final = frozenset(
    {
        *("now", "current_timestamp", "current_date", "curdate", "current_time", "localtimestamp", "getdate", "current_timezone"),
        *("rand", "randn", "random", "uniform", "randstr", "uuid", "shuffle", "monotonically_increasing_id"),
        *("spark_partition_id", "current_user", "session_user", "user", "current_catalog", "current_database", "current_schema"),
        *("current_path", "current_metastore", "current_recipient", "version", "current_version", "is_member"),
        *("is_account_group_member", "aes_encrypt"),  # a block of chance begins what AES encrypts
    }
)
"""Functions of the clock, of chance, or of who asks: of the same row they say something else another time."""

MULTIPLYING_FUNCTIONS: Final = frozenset(
    {
        *("explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer", "stack", "json_tuple"),
        *("window", "session_window", "window_time", "variant_explode", "variant_explode_outer"),
    }
)
"""Functions that make several rows, or none, of one."""

_CLOCKS: Final = re.compile(r"\b(?:current_(?:timestamp|date|time|user)|localtimestamp|session_user)\b", re.IGNORECASE)
"""Functions that SQL calls without any parenthesis; `user` is one where no column has that name (``row_sql``)."""

REACHING_PREFIX: Final = "ai_"
"""Functions of Databricks that send what they are given to a model."""

_OF_NOTHING: Final = frozenset({"unix_timestamp", "str_to_unix"})
"""Without arguments these are functions of the clock."""

MARKS: Final = ("--", "/*", ";")
_QUERY_WORDS = re.compile(r"\b(select|from|table|values|map|reduce)\b", re.IGNORECASE)
"""Words that begin a query without any parenthesis; after WITH there is always one."""
_QUOTED: Final = frozenset({"STRING", "IDENTIFIER", "RAW_STRING"})
_QUERIES: Final = (exp.Query, exp.DDL, exp.DML, exp.Command, exp.Join, exp.Lateral, exp.Values, exp.Window, exp.Block, exp.Alias)
_PARTS: Final = (
    *(exp.Column, exp.Identifier, exp.Dot, exp.Bracket, exp.Slice, exp.Star, exp.Literal, exp.Boolean, exp.Null, exp.RawString),
    *(exp.HexString, exp.Interval, exp.IntervalSpan, exp.Var, exp.DataType, exp.DataTypeParam, exp.ColumnDef, exp.IntervalOp),
    *(exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.Tuple, exp.Lambda, exp.Kwarg, exp.If, exp.Distinct, exp.Filter),
    *(exp.Where, exp.WithinGroup, exp.Order, exp.Ordered, exp.JSONPath, exp.JSONPathPart, exp.Parameter, exp.Placeholder),
    *(exp.AtTimeZone, exp.FromTimeZone, exp.IgnoreNulls, exp.RespectNulls),
)
"""What an expression may be made of; parameters have a sentence of their own."""

_PERHAPS_A_NAME: Final = re.compile(r"[^()'\"`<>=!]+\([^()'\"`<>=!]*\)\s*")
"""What may be a column's name with a unit, such as wind (kmh), though it looks like a call: whoever knows the columns decides."""

VIEW: Final = "Put the name of a column that is SQL's own, or no plain word, in backticks, such as `select` > 0."
BUILT_IN: Final = "Allowed: the functions of Spark that compute a value of what they are given, such as abs, lower or to_date."
OF_VIEW: Final = "Put the result of anything else into a view."
AGGREGATE: Final = "metrics: [{name: mean_amount, sql: avg(amount)}]"
UNSTEADY: Final = (
    "is not allowed, for its value does not follow from the rows: the same run made again would give other numbers. Write a "
    "fixed timestamp; what is known at a time is what --as-of asks."
)
METADATA: Final = "_metadata"
"""The column of a file's name and size that Spark has beside those of any table of files."""

ALLOWED: Final = "Allowed: one SQL expression over the columns of a row, such as distance > 1000."


def require_expression(text: str) -> str:
    """The text, where it can only be a column or an expression over one row; ConfigError otherwise.

    >>> require_expression("distance > 1000 AND carrier IN ('UA', 'AA -- not a comment')")[:15]
    'distance > 1000'
    """
    if is_plain(require_no_variable(text)):
        return text
    tree = parsed(text)
    require_row(tree, text)
    if _PERHAPS_A_NAME.fullmatch(text) is None:
        require_allowed_calls(text, ROW_FUNCTIONS)
    return text


def require_condition(text: str) -> str:
    """The text, where it can only be an expression over one row, and is no column's name with a unit in parentheses.

    >>> require_condition("year(at) > 2020")
    'year(at) > 2020'
    """
    require_allowed_calls(require_expression(text), ROW_FUNCTIONS)
    return text


def unknown_names(text: str, columns: Iterable[str]) -> list[str]:
    """The names in an allowed expression that are no columns of these: Spark would take them for variables of its session, and
    `user` for who asks.

    >>> unknown_names("abs(Amount) > 5 AND user = 'ann'", ["amount"])
    ['user']
    """
    tree = tree_of(text)
    if tree is None:
        return []  # plain, for it is allowed: Spark reads it, or does not
    names = {METADATA, *(name.lower() for name in columns)}
    parts = [column.parts for column in tree.find_all(exp.Column)]
    return [named[0].name for named in parts if names.isdisjoint(part.name.lower() for part in named)]


def tree_of(text: str) -> exp.Expr | None:
    """What the parser makes of SQL; None where it makes nothing of it.

    >>> tree_of("date_trunc()") is None, tree_of("a >") is None
    (True, True)
    """
    try:
        return sqlglot.parse_one(text, dialect="spark")
    except Exception:  # of a call without its arguments it raises IndexError, ValueError, TypeError and more
        return None


def parsed(text: str) -> exp.Expr:
    """The tree of an expression without comments and of nothing that a query is made of."""
    require_no_marks(text)
    tree = tree_of(text)
    if tree is None:
        raise ConfigError(f"found {describe(text)}, which cannot be read as one expression. {ALLOWED} {VIEW}")
    if isinstance(tree, _QUERIES) or tree.find(*_QUERIES) is not None:
        raise ConfigError(f"found {describe(text)}, which is more than an expression: no subquery, window or alias. {ALLOWED}")
    return tree


def require_row(tree: exp.Expr, text: str) -> None:
    """ConfigError where an expression is made of other than parts of one, reaches out, or is of another value each time."""
    require_no_reach(tree, text)
    require_steady(tree, text)
    stranger = next((part for part in tree.walk() if not isinstance(part, _PARTS)), None)
    if stranger is not None:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(stranger).__name__).lower()
        raise ConfigError(f"found {describe(text)}, which has what no expression over a row has ({kind}). {ALLOWED}")


def require_allowed_calls(text: str, allowed: frozenset[str]) -> None:
    """ConfigError where a word before a parenthesis is no function of these, as Spark's own parser would see it."""
    if "(" not in text:
        return
    names = [name for name in called(text) if name not in allowed and not name.startswith(PREFIXES)]
    strangers = [name for name in names if name not in BEFORE_PARENTHESES]
    if not strangers:
        return
    name, found = strangers[0], f"found {describe(text)}: {strangers[0]}"
    if name in AGGREGATES:
        raise ConfigError(f"{found} is of many rows. {ALLOWED} An aggregate is a custom metric: {AGGREGATE}.")
    if name in ORDERED_FUNCTIONS:
        raise ConfigError(f"{found} is of a row's place among others, of which there are none here. {ALLOWED} {OF_VIEW}")
    close = get_close_matches(name, allowed, n=1)
    hint = f'Did you mean "{close[0]}"? ' if close else ""
    raise ConfigError(f"{found} is no function that may be called. {hint}{BUILT_IN} {OF_VIEW} {VIEW}")


def called(text: str) -> Iterator[str]:
    """The words, quoted or not, that stand before a parenthesis, in small letters.

    >>> list(called("abs (a) > `F`(b) AND c IN (1, 2)"))
    ['abs', 'f', 'in']
    """
    tokens = sqlglot.tokenize(text, read="spark")
    for token, following in pairwise(tokens):
        if following.token_type.name == "L_PAREN" and (token.token_type.name in _QUOTED or token.text[:1].isidentifier()):
            yield token.text.lower()


def is_allowed(text: str) -> bool:
    """Whether a string may stand where a column or an expression is expected.

    >>> is_allowed("with space"), is_allowed("a; b")
    (True, False)
    """
    try:
        require_expression(text)
    except ConfigError:
        return False
    return True


def columns_read(text: str) -> frozenset[str]:
    """The columns of the row that an allowed expression reads; a name that is no SQL is a column itself.

    >>> sorted(columns_read("coalesce(`p a`, scores[0], named.b)")), sorted(columns_read("p a"))
    (['named', 'p a', 'scores'], ['p a'])
    """
    tree = tree_of(text)
    if tree is None:
        return frozenset({text})
    columns = frozenset(column.parts[0].name for column in tree.find_all(exp.Column))
    return frozenset({text}) if isinstance(tree, exp.Alias) or not columns else columns


def is_plain(text: str) -> bool:
    """Whether a text is too plain to be anything but a column or a comparison: no call, no query, no comment.

    >>> is_plain("wind speed"), is_plain("a > (SELECT max(x) FROM t)"), is_plain("SELECT x")
    (True, False, False)
    """
    unmarked = "(" not in text and not any(mark in text for mark in MARKS)
    return text.isidentifier() or (unmarked and _QUERY_WORDS.search(text) is None and _CLOCKS.search(text) is None)


def require_no_marks(text: str) -> None:
    """ConfigError where a comment or a semicolon stands outside quotes, or where only settings of Spark say whether it does."""
    if not any(mark in text for mark in MARKS):
        return
    try:
        tokens = sqlglot.tokenize(text, read="spark")
    except SqlglotError:
        tokens = []
    outside = list(text)
    for token in tokens if "\\" not in text else []:
        if token.token_type.name in _QUOTED:
            outside[token.start : token.end + 1] = [" "] * (token.end + 1 - token.start)
    outsider = next((mark for mark in MARKS if mark in "".join(outside)), None)
    if outsider is not None:
        raise ConfigError(
            f'found {describe(text)}: "{outsider}" stands outside quotes. Allowed: neither comment nor semicolon. {VIEW}'
        )


def require_no_reach(tree: exp.Expr, text: str) -> None:
    """ConfigError where an expression calls a function that reaches out, or one of a schema, which may read any table."""
    for function in tree.find_all(exp.Func):
        name = name_of(function)
        if name in REACHING_FUNCTIONS or name.startswith(REACHING_PREFIX):
            raise ConfigError(f"found {describe(text)}: {name} is not allowed, for it does more than compute a value of the row.")
    if any(isinstance(dot.expression, exp.Func) for dot in tree.find_all(exp.Dot)):
        raise ConfigError(
            f"found {describe(text)}, which calls a function of a schema; it may read any table. Put its result into a view."
        )


def require_steady(tree: exp.Expr, text: str) -> None:
    """ConfigError where an expression's value does not follow from the row, or where it makes other than one row of each."""
    for function in tree.find_all(exp.Func):
        name = name_of(function)
        if name in UNSTEADY_FUNCTIONS or (name in _OF_NOTHING and not list(function.iter_expressions())):
            raise ConfigError(f"found {describe(text)}: {name} {UNSTEADY}")
        if name in MULTIPLYING_FUNCTIONS:
            raise ConfigError(
                f"found {describe(text)}: {name} is not allowed, for it makes other rows than there are, each of which would "
                "count. Allowed: one value a row, such as exists(tags, tag -> tag = 'x'); a view may have other rows."
            )
    for column in tree.find_all(exp.Column):
        if not column.this.args.get("quoted") and len(column.parts) == 1 and _CLOCKS.fullmatch(column.name):
            raise ConfigError(f"found {describe(text)}: {column.name} {UNSTEADY} A column of that name stands in backticks.")
    if tree.find(exp.Parameter, exp.Placeholder) is not None:
        raise ConfigError(f"found {describe(text)}, which has a parameter, and nothing is given for it. {ALLOWED}")


def name_of(function: exp.Func) -> str:
    """A function's name in small letters, be it known to the parser or not."""
    return (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower()
