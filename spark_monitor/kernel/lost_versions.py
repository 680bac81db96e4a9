"""Versions that answered requests and have no prediction: when all of their predictions are surely lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spark_monitor.catalogue.interval import OK

ALL_LOST: Final = "The prediction table names every version of this window as the log does, and has no prediction of this one."
SOME_ELSEWHERE: Final = " Its other versions have {many:,.0f} more than they answered requests: so many may be of this one."


def surely_lost(version: str, answered: Mapping[str, float], predicted: Mapping[str, float], total: float) -> float | None:
    """How many predictions of a version, that the prediction table does not name, may stand there under another one's name.

    ``answered`` are the requests of each version that did not fail, ``predicted`` the predictions of each, ``total`` those of all
    versions together. None where the two may name versions differently, or where all of its predictions may be another's.

    >>> surely_lost("2", {"1": 90.0, "2": 10.0}, {"1": 93.0}, 93.0), surely_lost("2", {"1": 90.0, "2": 10.0}, {"v1": 93.0}, 93.0)
    (3.0, None)
    """
    named = {name for name, many in predicted.items() if many}
    if version in named or not answered.get(version):
        return None
    if sum(predicted.values()) < total or not named <= answered.keys():
        return None
    beyond = max(0.0, total - sum(answered[name] for name in named))
    return beyond if beyond < answered[version] else None


def all_lost(row: Mapping[str, Any], answered: float, beyond: float) -> dict[str, Any]:
    """A measurement of a version whose predictions are all lost, but for those that may be ``beyond`` what others answered."""
    message = ALL_LOST + (SOME_ELSEWHERE.format(many=beyond) if beyond else "")
    return {
        **row,
        "value": 100.0,
        "value_error": 0.0,
        "lower": 100.0 * (1 - beyond / answered),
        "upper": 100.0,
        "status": OK,
        "message": message,
    }
