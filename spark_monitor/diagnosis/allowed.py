"""What a failing check was allowed, as its ``expected`` says it, and which side of it is the bad one."""

from __future__ import annotations

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.diagnosis.groups import Failing
from spark_monitor.text.formatting import harmless
from spark_monitor.text.words import number_in


def allowed_text(check: Failing) -> str:
    """The limit, without what it was made of."""
    return harmless((check.expected or "").partition(" (")[0])


def lower_is_worse(check: Failing) -> bool:
    """Whether small values break it."""
    allowed = allowed_text(check)
    return allowed.startswith(">") if allowed[:1] in ("<", ">") else catalogue().lower_is_worse(check.metric)


def two_limits(allowed: str) -> tuple[float | None, float | None]:
    """Both limits of ">= 5 and <= 9"; None where it has not both.

    >>> two_limits(">= 5 and <= 9"), two_limits("<= 9")
    ((5.0, 9.0), (None, None))
    """
    lower, both, upper = allowed.partition(" and <= ")
    return (number_in(lower.removeprefix(">= ")), number_in(upper)) if both else (None, None)
