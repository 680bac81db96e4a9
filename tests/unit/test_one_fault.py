"""What a fault does to a column's values and to its missing values is one incident, whichever check is decided first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.planted import diagnosed, start, table


def series(metric: str, letters: str, column: str = "temp", **about: Any) -> list[dict[str, Any]]:
    """One check of all rows through the weeks; F fails, P passes, U cannot be decided."""
    verdicts = {"F": "FAIL", "P": "PASS", "U": "UNDECIDED"}
    return [
        {
            "metric": metric,
            "family": "drift",
            "column_name": column,
            "model_version": "1",
            "slice_key": None,
            "slice_value": None,
            "value": -9.0 if metric == "percent_null_delta" else 0.3,
            "expected": ">= -5 and <= 5" if metric == "percent_null_delta" else "<= 0.15",
            "verdict": verdicts[letter],
            "start": start(week),
            "end": start(week + 1),
            **about,
        }
        for week, letter in enumerate(letters)
    ]


def flooded(value: Any, *, since: int = 6, share: float = 0.3) -> pd.DataFrame:
    """A column with values missing; from a week on a share of all rows, those without a value too, hold one value."""
    rows, dice = table(11), np.random.default_rng(12)
    rows["temp"] = rows["temp"].mask(dice.random(len(rows)) < 0.3)
    rows["temp"] = rows["temp"].mask((rows["week"] >= since) & (dice.random(len(rows)) < share), value)
    return rows


@pytest.mark.parametrize("missing", ["PPPPPPFFFFFFFF", "PPPPPPUFFFFFFF", "PPPPPPUUUUFFFF", "PPPPPFFFFFFFFF"])
@pytest.mark.parametrize(("value", "share", "kind"), [(-999.0, 0.3, "sentinel"), (0.0, 0.4, "sentinel"), (3.5, 1.0, "stuck")])
def test_placeholders_that_fill_in_missing_values_are_one_incident(missing: str, value: float, share: float, kind: str) -> None:
    began = min(missing.index("F"), 6)
    rows = flooded(value, since=began, share=share)
    found = diagnosed(rows, (), extra=[*series("ks", "PPPPPPFFFFFFFF"), *series("percent_null_delta", missing)]).only

    assert (found.kind, found.column, found.opened) == (kind, "temp", start(began))


def test_values_that_differ_because_others_went_missing_are_part_of_that() -> None:
    rows = table(13)
    rows.loc[(rows["week"] >= 6) & (rows["temp"] > 18.0), "temp"] = np.nan
    extra = [*series("ks", "PPPPPPUFFFFFFF"), *series("percent_null_delta", "PPPPPPFFFFFFFF", value=25.0)]

    found = diagnosed(rows, (), extra=extra).only

    assert (found.kind, found.opened) == ("missing", start(6))


def test_missing_values_that_are_filled_in_long_after_another_trouble_are_one_of_their_own() -> None:
    rows = table(14)
    dice = np.random.default_rng(15)
    rows["temp"] = rows["temp"].mask((rows["week"] < 10) & (dice.random(len(rows)) < 0.3))
    rows.loc[rows["week"] >= 3, "temp"] *= 100
    extra = [*series("ks", "PPPFFFFFFFFFFF"), *series("percent_null_delta", "PPPPPPPPPPFFFF")]

    found = diagnosed(rows, (), extra=extra).incidents

    assert [(one.column, one.opened) for one in found] == [("temp", start(3)), ("temp", start(10))]
