"""Names and texts from configuration, quoted before they enter SQL."""

from __future__ import annotations


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


def literal(text: str) -> str:
    """A SQL string literal; backslashes and quotes are escaped as Spark's parser reads them.

    >>> print(literal("O'Hare"))
    'O\\'Hare'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
