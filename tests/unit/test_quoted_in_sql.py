"""No string that somebody else chose enters SQL between quotes: such strings are written by ``literal``, names by ``quote``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import spark_monitor

PACKAGE = Path(spark_monitor.__file__).parent
IN_SQL = ("sources", "stages", "store")
OUR_OWN = {
    *(("sources/costs.py", "plain.upper()"), ("sources/readers/rows.py", "local.isoformat(sep=' ')")),
    *(("stages/baseline_windows.py", "place"), ("stages/coarse_scores.py", "name"), ("stages/lost_predictions.py", "label")),
    *(("stages/prune.py", "name"), ("stages/serving.py", "name"), ("stages/serving.py", "label")),
    *(("store/dataset_views.py", name) for name in ("metric", "dataset", "family")),
    *(("store/series_sql.py", name) for name in ("name", "family")),
    *(("store/iceberg.py", "key"), ("store/literals.py", "_text(timestamp, ' ')"), ("store/local.py", "escaped")),
    ("store/view_sql.py", "verdict"),
}
"""Letters, digits and times alone: names of tables, metrics, windows and steps that the code itself writes."""


def between_quotes(code: str) -> Iterator[str]:
    """What is put between single quotes in a file's f-strings, constants apart."""
    for node in ast.walk(ast.parse(code)):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for before, part, after in zip(parts, parts[1:], parts[2:], strict=False):
            if not isinstance(part, ast.FormattedValue):
                continue
            is_quoted = text_of(before).endswith("'") and text_of(after).startswith("'")
            if is_quoted and not (isinstance(part.value, ast.Name) and part.value.id.isupper()):
                yield ast.unparse(part.value)


def text_of(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else ""


def test_what_stands_between_quotes_in_sql_is_written_by_the_code_itself() -> None:
    found = {
        (str(file.relative_to(PACKAGE)), value)
        for folder in IN_SQL
        for file in (PACKAGE / folder).rglob("*.py")
        for value in between_quotes(file.read_text(encoding="utf-8"))
    }
    assert found - OUR_OWN == set(), "put it through text.quoting.literal, or say here why nobody else can choose it"


def test_a_currency_that_ends_its_string_is_found() -> None:
    assert list(between_quotes("""f"'{currency}' AS currency, '{OWN}' AS kind" """)) == ["currency"]
