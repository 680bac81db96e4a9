"""What can go wrong, reported so that a person knows what to do next.

Every error names the place, what was found, what is allowed and the next step. The command line turns the class into an exit
code: a wrong configuration is 2, a failed run is 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

JAVA_CALLED = "An error occurred while calling"
"""How py4j begins what a Java method threw; the next line says what that was."""


MOST_LISTED, SHORTEST_PART = 30, 3
"""Of more allowed names than this only the nearest are listed; parts of names are sought that have at least so many letters."""


class MonitorError(Exception):
    """The base of every error that spark_monitor raises on purpose."""

    exit_code = 3


class ConfigError(MonitorError):
    """The monitor's file, or the tables it names, cannot be used as they are."""

    exit_code = 2


class RunError(MonitorError):
    """A run could not be completed; nothing it had begun is shown to readers."""


class StateError(MonitorError, ValueError):
    """A stored state cannot be read, or two states cannot be merged or compared."""


def unknown(where: str, kind: str, value: str, allowed: Iterable[str], *, meant: str | None = None) -> str:
    """The sentence for a name that is not allowed; of many allowed ones those that are nearest.

    ``meant`` is suggested before the most similar name.

    >>> unknown("fraud.yaml: drift.distances[2]", "distance", "PSI", ["psi", "ks"])
    'fraud.yaml: drift.distances[2]: unknown distance "PSI". Known: ks, psi. Did you mean "psi"?'
    >>> unknown("a.yaml", "metric", "auc", ["roc_auc_score", "recall"])
    'a.yaml: unknown metric "auc". Known: recall, roc_auc_score. Did you mean "roc_auc_score"?'
    """
    names = sorted(allowed)
    lowered = {name.lower(): name for name in names}
    sought = value.lower()
    shown, rest = names, ""
    if len(names) > MOST_LISTED:
        near = get_close_matches(sought, list(lowered), n=MOST_LISTED // 2, cutoff=0.0)
        shown, rest = sorted(lowered[name] for name in near), f" and {len(names) - len(near)} others"
    sentence = f'{where}: unknown {kind} "{value}". Known: {", ".join(shown)}{rest}.'
    held = [name for name in lowered if len(sought) >= SHORTEST_PART and sought in name.split("_")]
    close = get_close_matches(sought, list(lowered), n=1) or sorted(held, key=len)[:1]
    suggested = meant or (lowered[close[0]] if close else None)
    return f'{sentence} Did you mean "{suggested}"?' if suggested else sentence
