"""Plain text in a hundred columns: sections, tables, wrapped lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

WIDTH = 100
ROWS_SHOWN = 10
"""Rows of a table; how many more there are is shown."""

INDENT = BETWEEN = "  "


def more(total: int, shown: int = ROWS_SHOWN) -> Iterator[str]:
    """How many rows are not shown, where there are any."""
    if total > shown:
        yield f"{INDENT * 2}and {total - shown:,} more"


def sections(*sections: tuple[str, Iterable[str]]) -> list[str]:
    """Titles with their lines, a blank line after each; what has no line has no title."""
    lines: list[str] = []
    for title, content in sections:
        body = list(content)
        lines += [title, *body, ""] if body else []
    return lines


def room(columns: int) -> int:
    """How many cells the columns of a table may take together."""
    return WIDTH - len(INDENT * 2) - len(BETWEEN) * (columns - 1)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their content; the widest give way until a row fits. Cells are counted as a terminal shows them."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(cell_len(text) for text in column) for column in columns]
    while sum(widths) > room(len(widths)):
        widths[widths.index(max(widths))] -= 1
    for row in (header, *rows):
        cells = [set_cell_size(text, width) for text, width in zip(row, widths, strict=True)]
        yield f"{INDENT * 2}{BETWEEN.join(cells)}".rstrip()


def wrapped(text: str, indent: str) -> Iterator[str]:
    """Lines of at most ``WIDTH`` cells, the later ones indented further; words that are too long are broken."""
    line, lead = "", indent
    words = [part for word in text.split() for part in chop_cells(word, WIDTH - len(indent) - len(INDENT))]
    for word in words:
        longer = f"{line} {word}" if line else word
        if line and cell_len(lead + longer) > WIDTH:
            yield lead + line
            longer, lead = word, indent + INDENT
        line = longer
    yield lead + line
