"""The sections `quality` and `columns` against a table's columns, what is guessed of a table's rows, and what is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyspark.sql import types as T

from spark_monitor.commands.quality_guesses import guess_quality, lines_of
from spark_monitor.commands.yaml_text import scalar
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.quality import QualityConfig
from spark_monitor.kernel.checks import ColumnChecks
from spark_monitor.preflight.quality import quality_findings
from spark_monitor.sources.baseline import FrozenColumn
from spark_monitor.sources.readers.rows import Kind, ReadColumn, read_column
from spark_monitor.stages.quality_plan import checks_of
from spark_monitor.states.categorical import Categories

SCHEMA = T.StructType(
    [
        T.StructField("id", T.LongType()),
        T.StructField("at", T.TimestampType()),
        T.StructField("age", T.IntegerType()),
        T.StructField("amount", T.FloatType()),
        T.StructField("mail", T.StringType()),
        T.StructField("born", T.DateType()),
        T.StructField("tags", T.ArrayType(T.StringType())),
    ]
)


def config(**sections: Any) -> MonitorConfig:
    base = {
        "monitor": "m",
        "model": {"name": "m", "task": "none"},
        "predictions": {"table": "t", "id": "id", "time": "at"},
        "outputs": {"path": "/out"},
    }
    return MonitorConfig.model_validate({**base, **sections})


def found(**sections: Any) -> dict[str, str]:
    return {finding.where: finding.sentence for finding in quality_findings(config(**sections), SCHEMA)}


def test_what_fits_the_table_has_no_finding() -> None:
    quality = {
        "formats": {"mail": "email"},
        "ranges": {"age": [0, 120]},
        "allowed": {"age": [1, 2]},
        "unique": ["id", "mail"],
        "sentinels": [-999, "1970-01-01"],
    }
    assert found(quality=quality, columns={"age": "categorical", "mail": "categorical"}, outputs={"path": "/o"}).keys() == {
        "quality.ranges.age"  # a code has no range
    }
    assert found(quality=quality) == {}


def test_each_thing_that_does_not_fit_is_a_sentence() -> None:
    quality = {
        "formats": {"age": "integer", "male": "email", "at": "date_iso"},
        "ranges": {"mail": [0, 1]},
        "allowed": {"age": ["old"]},
        "unique": ["idd"],
    }
    sentences = found(quality=quality, columns={"tags": "categorical", "born": "numeric", "nothing": "numeric"})
    assert set(sentences) == {
        *("quality.formats.age", "quality.formats.male", "quality.formats.at", "quality.ranges.mail", "quality.allowed.age"),
        *("quality.unique", "columns.tags", "columns.nothing"),
    }
    assert 'Did you mean "mail"' in sentences["quality.formats.male"]
    assert 'Did you mean "id"' in sentences["quality.unique"]
    assert all(sentence.endswith((".", "?")) for sentence in sentences.values())


def test_a_number_among_the_allowed_strings_is_asked_for_its_digits() -> None:
    allowed = {"mail": ["a@b.c", 7, 1.1], "age": [1.5]}
    sentences = found(quality={"allowed": allowed})
    assert list(sentences) == ["quality.allowed.mail"]
    assert "1.1 is read as a number, to which 1.10 and 1.1 are one. Put it in quotes" in sentences["quality.allowed.mail"]
    assert found(quality={"allowed": {"mail": ["1.10", 7]}}) == {}


def test_what_rows_suggest_is_a_section_that_loads() -> None:
    random = np.random.default_rng(1)
    rows = 500
    age = random.integers(18, 90, rows)
    age[:20] = -999
    table = pa.table(
        {
            "id": np.arange(rows),
            "mail": [f"user{number}@example.org" for number in range(rows)],
            "zip": [f"{number:05d}" for number in random.integers(0, 9_999, rows)],
            "code": random.choice(["a", "b"], rows),
            "age": age,
            "share": random.random(rows),
            "note": random.choice(["n/a", *(f"text {number}" for number in range(30))], rows),
            "signed": random.normal(size=rows),
        }
    )
    guesses = guess_quality(table, skip=["id"])
    text = "quality:\n" + "\n".join(lines_of(guesses, scalar, "GUESS"))
    section = QualityConfig.model_validate(yaml.safe_load(text)["quality"])
    assert section.formats == {"mail": "email", "zip": "^[0-9]{5}$"}
    assert section.ranges == {"age": (0.0, None), "share": (0.0, 1.0)}
    assert section.unique == ("mail",)
    assert set(section.sentinels) == {-999, "n/a"}
    assert "age is -999 in 20 of 500 values" in text


@pytest.mark.parametrize(
    ("others", "number", "is_guessed"),
    [
        ([0, 399, 499], 999, False),  # shipping tiers in cents: each ends in 99
        ([99, 149, 299, 499], 999, False),
        ([199, 299], 999, False),  # far beyond both, and a price like them
        ([100, 250, 500], 999, False),  # the next step of a scale of few values
        ([101, 105, 110, 118, 130], 999, True),  # codes that lie near each other
        ([0, 1, 2, 3], -999, True),
        ([399, 499, 599], -999, True),  # no price is negative
    ],
)
def test_a_price_that_ends_in_nines_is_no_sentinel(others: list[int], number: int, is_guessed: bool) -> None:
    values = np.random.default_rng(7).permutation(np.repeat([*others, number], 50))
    guesses = guess_quality(pa.table({"amount": values}))
    assert [one.value for one in guesses if one.section == "sentinels"] == ([number] if is_guessed else [])


def test_infinities_lie_outside_of_a_guessed_range() -> None:
    values = np.r_[np.linspace(1, 50, 380), np.full(20, np.inf), np.full(100, np.nan)]
    (guess,) = (one for one in guess_quality(pa.table({"amount": values})) if one.section == "ranges")
    assert (guess.value, guess.broken) == ([0, None], pytest.approx(5.0))


def test_a_column_is_held_against_what_is_declared_else_against_its_baseline() -> None:
    quality = {"ranges": {"amount": [0, 0.1]}, "sentinels": [-999, "1970-01-01", "none"], "allowed": {"mail": ["a", "b"]}}
    monitor = config(quality=quality)

    def checks(name: str, frozen: FrozenColumn | None, monitor: MonitorConfig = monitor) -> ColumnChecks | None:
        column = read_column(SCHEMA[name], monitor.columns.get(name))
        frame = frozen or FrozenColumn(name, column.data_type, column.kind)
        return checks_of(monitor, column, frozen, frame)

    amount = checks("amount", None)
    assert amount is not None
    assert (amount.low, amount.high) == (0.0, float(np.float32(0.1)))
    age = checks("age", FrozenColumn("age", "int", Kind.NUMERIC, facts={"least": 3.0, "greatest": 80.0}))
    assert age == ColumnChecks(low=3.0, high=80.0, sentinels=(-999.0,))
    assert checks("born", FrozenColumn("born", "date", Kind.NUMERIC, facts={"least": 3.0})) == ColumnChecks(sentinels=(0.0,))
    mail = checks(
        "mail", FrozenColumn("mail", "string", Kind.CATEGORICAL, categories=Categories(("x",)), facts={"complete": 1.0})
    )
    assert mail is not None
    assert mail.expected == ("a", "b")
    free = config()
    text = FrozenColumn(
        "mail", "string", Kind.CATEGORICAL, categories=Categories(("x",)), facts={"complete": 1.0, "parsed": 0.95}
    )
    assert checks("mail", text, free) == ColumnChecks(parses=True, expected=("x",))
    assert checks("mail", FrozenColumn("mail", "double", Kind.NUMERIC, facts={"least": 0.0}), free) == ColumnChecks(parses=True)


def test_codes_are_read_as_texts_and_texts_as_numbers_where_the_file_says_so() -> None:
    assert read_column(SCHEMA["age"], "categorical") == ReadColumn("age", "int", Kind.CATEGORICAL, "CAST(`age` AS STRING)")
    assert read_column(SCHEMA["mail"], "numeric") == ReadColumn("mail", "string", Kind.NUMERIC, "try_cast(`mail` AS DOUBLE)")
    assert read_column(SCHEMA["age"]).kind is Kind.NUMERIC


def test_what_goes_below_zero_has_no_lower_bound_though_the_first_rows_are_above_it() -> None:
    values = np.random.default_rng(5).gamma(4, 3, 500)
    table = pa.table(dict.fromkeys(("temperature_c", "account_balance", "loan_days"), values))
    ranges = {guess.column: guess.value for guess in guess_quality(table, skip=[]) if guess.section == "ranges"}
    assert ranges == {"loan_days": [0, None]}
