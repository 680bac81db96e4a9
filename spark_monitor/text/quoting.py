"""Names and strings from configuration, quoted before they enter SQL."""

from __future__ import annotations

from collections.abc import Iterable

ABSENT = "NULL"
"""What stands for a missing value beside others."""


def quote(name: str) -> str:
    """One identifier in backticks, whatever it contains.

    >>> quote("wind speed"), quote("a`b")
    ('`wind speed`', '`a``b`')
    """
    return f"`{name.replace('`', '``')}`"


def quote_table(name: str) -> str:
    """A table's name of one to three parts, each part quoted; parts that are quoted already are kept.

    >>> quote_table("main.monitoring.checks"), quote_table("`my.schema`.checks")
    ('`main`.`monitoring`.`checks`', '`my.schema`.`checks`')
    """
    return ".".join(quote(part) for part in split_table(name))


def split_table(name: str) -> list[str]:
    """The parts of a table's name, backticks removed.

    >>> split_table("a.`b.c`.d")
    ['a', 'b.c', 'd']
    """
    parts: list[str] = []
    part, quoted, position = "", False, 0
    while position < len(name):
        character = name[position]
        if character == "`" and quoted and name[position + 1 : position + 2] == "`":
            part, position = part + "`", position + 1
        elif character == "`":
            quoted = not quoted
        elif character == "." and not quoted:
            parts, part = [*parts, part], ""
        else:
            part += character
        position += 1
    return [*parts, part]


SUBSTITUTED = "${"
"""What begins a variable: Spark puts an environment variable or a setting in the place of ``${env:NAME}``, within quotes too."""


def literal(text: str) -> str:
    """A SQL string literal; backslashes, quotes and what begins a variable are escaped as Spark's parser reads them.

    >>> print(literal("O'Hare"), literal("${env:HOME}"))
    'O\\'Hare' '$\\{env:HOME}'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace(SUBSTITUTED, "$\\{")
    return f"'{escaped}'"


def crossed(parts: Iterable[str | None]) -> str:
    """Values side by side as a cross shows them: ``x, y``, a missing one as NULL, quoted what could be mistaken.

    A value with a comma or a double quote, and the text NULL, stand in double quotes (doubled within), so that different values
    are different strings; ``uncrossed`` gives them back.

    >>> crossed(["a", "b"]), crossed(["a, b", "c"]), crossed([None, "NULL"])
    ('a, b', '"a, b", c', 'NULL, "NULL"')
    """
    return ", ".join(map(_part, parts))


def slice_key(slice_: str | tuple[str, ...]) -> str:
    """What the column ``slice_key`` holds: a column or an expression as written, a cross as "a, b".

    >>> slice_key("distance > 1000"), slice_key(("origin", "carrier"))
    ('distance > 1000', 'origin, carrier')
    """
    return slice_ if isinstance(slice_, str) else crossed(slice_)


def uncrossed(text: str) -> list[str | None]:
    """The values of a cross, as they were.

    >>> uncrossed('"a, b", c'), uncrossed('NULL, "NULL", "a ""b"')
    (['a, b', 'c'], [None, 'NULL', 'a "b'])
    """
    parts: list[str | None] = []
    rest = text
    while True:
        if rest.startswith('"'):
            end = 1
            while rest[end : end + 2] == '""' or rest[end] != '"':
                end += 2 if rest[end : end + 2] == '""' else 1
            part, rest = rest[1:end].replace('""', '"'), rest[end + 1 :]
            parts.append(part)
        else:
            part, comma, after = rest.partition(",")
            parts.append(None if part == ABSENT else part)
            rest = comma + after
        if not rest:
            return parts
        rest = rest.removeprefix(", ")


def _part(value: str | None) -> str:
    if value is None:
        return ABSENT
    if value == ABSENT or "," in value or '"' in value:
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value


def quoted(name: str) -> str:
    """A column's name in SQL, in backticks where it needs them.

    >>> quoted("predicted_at"), quoted("made at")
    ('predicted_at', '`made at`')
    """
    return name if name.isascii() and name.isidentifier() else quote(name)


def as_string(value: object) -> str:
    """A scalar of a monitor's file as Spark casts it to a string.

    >>> as_string(True), as_string(7), as_string("EWR")
    ('true', '7', 'EWR')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
