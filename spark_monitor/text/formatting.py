"""How values read, wherever a person meets them: numbers, intervals, versions, slices, and strings from data made harmless."""

from __future__ import annotations

import math
import re
import shlex
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from spark_monitor.text.masking import mask_forms

LONGEST_TEXT = 120
"""Longer strings from data (a category of a megabyte) are cut."""

LONGEST_PATH = 4_096
UTC_NAME = "UTC"

_LONG_DECIMAL = re.compile(r"-?\d+\.\d{5,}(?:e[-+]?\d+)?")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of characters that are not seen but act: controls, escapes, marks of direction, lone surrogates."""


def harmless(text: str, longest: int = LONGEST_TEXT) -> str:
    """A string from data without characters that act on a terminal or turn the reading direction, cut where it is long.

    What looks like a secret is masked, before the string is cut or escaped: what is left of it would look like none.

    >>> harmless("red\\x1b[31m alert")
    'red�[31m alert'
    >>> harmless("a" * 200, longest=10)
    'aaaaaaaaa…'
    """
    masked = mask_forms(text)
    shown = "".join("�" if unicodedata.category(letter) in _UNSEEN else letter for letter in masked[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def in_shell(path: object) -> str:
    """A path as it is typed at a shell, so that a command that is shown can be copied.

    >>> print(in_shell("fraud_model.yaml"), in_shell("-x.yaml"), in_shell("my monitors/x.yaml"))
    fraud_model.yaml ./-x.yaml 'my monitors/x.yaml'
    """
    shown = harmless(str(path), LONGEST_PATH)
    return shlex.quote(f"./{shown}" if shown.startswith("-") else shown)


def number(value: float | None) -> str:
    """A measured number: four significant digits or so, never in exponents where a person reads it without.

    >>> number(0.69314), number(12345.678), number(0.0010249), number(0.00001234), number(None)
    ('0.693', '12,346', '0.00102', '1.23e-05', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-2:
        return f"{value:.3g}"
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:.1f}"


def rounded(text: str) -> str:
    """A string with its long decimal numbers as a person reads them.

    >>> rounded(">= 0.870734158438264 and <= 9"), rounded("<= 0.05")
    ('>= 0.871 and <= 9', '<= 0.05')
    """
    return _LONG_DECIMAL.sub(lambda match: number(float(match[0])), text)


def interval(lower: float | None, upper: float | None) -> str:
    """A 95 % interval; of a metric without one, both ends are its value.

    >>> interval(0.1234, 0.2), interval(None, 0.2), interval(0.3, 0.3)
    ('0.123 to 0.200', '-', '-')
    """
    if lower is None or upper is None or lower == upper or not (math.isfinite(lower) and math.isfinite(upper)):
        return "-"
    return f"{number(lower)} to {number(upper)}"


def with_interval(lower: float | None, upper: float | None) -> str:
    """An interval in brackets, to stand behind its value; nothing where there is none.

    >>> with_interval(0.1234, 0.2), with_interval(None, 0.2)
    (' (0.123 to 0.200)', '')
    """
    text = interval(lower, upper)
    return "" if text == "-" else f" ({text})"


def percent(fraction: float | None) -> str:
    """A fraction from 0 to 1 in percent; only a whole is 100 %, only nothing 0 %.

    >>> percent(0.9999), percent(1.0), percent(None)
    ('99.9 %', '100 %', '-')
    """
    if fraction is None or not math.isfinite(fraction):
        return "-"
    if fraction in (0, 1):
        return f"{fraction * 100:.0f} %"
    return f"{min(max(fraction * 100, 0.1), 99.9):.1f} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "check"), counted(1200, "check")
    ('1 check', '1,200 checks')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def version_name(version: str | None) -> str:
    """A model version as it stands in a sentence."""
    return "no version" if version is None else f"version {harmless(version)}"


def versions_named(versions: Sequence[str | None]) -> str:
    """Model versions as they stand in a sentence.

    >>> versions_named(["2"]), versions_named(["1", "2"]), versions_named([None, "2"])
    ('version 2', 'versions 1 and 2', 'no version and version 2')
    """
    if len(versions) > 1 and None not in versions:
        names = [harmless(version) for version in versions if version is not None]
        return f"versions {', '.join(names[:-1])} and {names[-1]}"
    return " and ".join(version_name(version) for version in versions)


def of_versions(versions: Sequence[str | None]) -> str:
    """The end of a phrase that says which versions it is about: nothing of a service, a step or a cost, which has none.

    >>> of_versions(["2"]), of_versions([None]), of_versions([None, "2"])
    (', version 2', '', ', no version and version 2')
    """
    return f", {versions_named(versions)}" if any(version is not None for version in versions) else ""


def slice_name(key: str | None, value: str | None) -> str:
    """A slice as it stands in a sentence.

    >>> slice_name("origin", "JFK"), slice_name("distance > 1000", "true"), slice_name("origin", None), slice_name(None, None)
    ('origin = JFK', '(distance > 1000) is true', 'origin is NULL', 'all rows')
    """
    if key is None:
        return "all rows"
    shown = harmless(key)
    if value is None:
        return f"{shown} is NULL"
    if value in ("true", "false"):
        return f"({shown}) is {value}"
    return f"{shown} = {harmless(value)}"


def where(key: str | None, value: str | None, also_slices: int) -> str:
    """What fails where: all rows or a slice, and how many slices besides.

    >>> where(None, None, 12), where("origin", "JFK", 1), where(None, None, 0)
    ('all rows and 12 slices', 'origin = JFK and 1 other slice', 'all rows')
    """
    named = slice_name(key, value)
    if not also_slices:
        return named
    others = counted(also_slices, "slice") if key is None else counted(also_slices, "other slice")
    return f"{named} and {others}"


def place(key: str | None, value: str | None, also_slices: int) -> str:
    """``where`` in as few letters as a table has room for.

    >>> place(None, None, 12), place("origin", "JFK", 1), place(None, None, 0)
    ('all rows +12 slices', 'origin = JFK +1', 'all rows')
    """
    more = "" if not also_slices else f" +{also_slices}" if key is not None else f" +{counted(also_slices, 'slice')}"
    return f"{slice_name(key, value)}{more}"


def local(timestamp: datetime, zone: str) -> datetime:
    """A timestamp as the clock of a zone reads it, which the functions below then write.

    Its offset is fixed: two that a clock reads alike, in the night when it is set back, still differ and are in order.

    >>> from datetime import UTC
    >>> in_words(local(datetime(2024, 3, 30, 23, tzinfo=UTC), "Europe/Berlin"))
    '2024-03-31'
    >>> in_words(local(datetime(2024, 3, 31, 4, tzinfo=UTC), "Asia/Dubai")), in_words(datetime(2024, 3, 31, 4, tzinfo=UTC))
    ('2024-03-31 08:00 UTC+04', '2024-03-31 04:00 UTC')
    """
    moment = timestamp.astimezone(ZoneInfo(zone))
    offset, name = moment.utcoffset(), moment.tzname()
    return timestamp if offset is None or name is None else timestamp.astimezone(timezone(offset, name))


def day(timestamp: datetime | None) -> str:
    """A timestamp as short as it can be written, in its own zone: the day alone at midnight."""
    if timestamp is None:
        return "-"
    return timestamp.strftime("%Y-%m-%d" if not (timestamp.hour or timestamp.minute) else "%Y-%m-%d %H:%M")


def in_words(timestamp: datetime | None) -> str:
    """A timestamp within a sentence: the day alone at midnight, else with its time, and in which zone that is.

    >>> from datetime import UTC
    >>> in_words(datetime(2024, 3, 31, tzinfo=UTC)), in_words(datetime(2024, 3, 30, 23, tzinfo=UTC))
    ('2024-03-31', '2024-03-30 23:00 UTC')
    """
    short = day(timestamp)
    return f"{short} {_zone_name(timestamp)}" if timestamp is not None and ":" in short else short


def to_minute(timestamp: datetime, zone: str) -> str:
    """A timestamp as a monitor's zone reads it, with its time and zone also at midnight.

    >>> from datetime import UTC
    >>> to_minute(datetime(2024, 7, 1, tzinfo=UTC), "Europe/Berlin")
    '2024-07-01 02:00 CEST'
    """
    moment = local(timestamp, zone)
    return f"{moment:%Y-%m-%d %H:%M} {_zone_name(moment)}"


def as_of_text(timestamp: datetime, zone: str) -> str:
    """The timestamp that all of a page is as of: with its time, and with the name of the zone in which its times are.

    >>> from datetime import UTC
    >>> as_of_text(datetime(2024, 7, 1, tzinfo=UTC), "UTC"), as_of_text(datetime(2024, 7, 1, tzinfo=UTC), "America/New_York")
    ('2024-07-01 UTC', '2024-06-30 20:00 EDT (times are those of America/New_York)')
    """
    moment = local(timestamp, zone)
    named = "" if zone == UTC_NAME else f" (times are those of {zone})"
    return f"{day(moment)} {_zone_name(moment)}{named}"


def span(start: datetime, end: datetime) -> str:
    """Two timestamps as a person reads them: days alone where both are midnights, else with their times and zones.

    >>> from datetime import UTC
    >>> span(datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 2, tzinfo=UTC))
    '2024-07-01 to 2024-07-02'
    >>> night = datetime(2024, 10, 27, tzinfo=UTC), datetime(2024, 10, 27, 1, tzinfo=UTC)
    >>> span(*night), span(*(local(edge, "Europe/Berlin") for edge in night))
    ('2024-10-27 to 2024-10-27 01:00 UTC', '2024-10-27 02:00 CEST to 2024-10-27 02:00 CET')
    """
    same = _zone_name(start) == _zone_name(end)
    last = in_words(end) if not same or ":" in day(end) else f"{day(end)}{f' {_zone_name(end)}' if ':' in day(start) else ''}"
    return f"{day(start) if same else in_words(start)} to {last}"


def _zone_name(timestamp: datetime) -> str:
    name = timestamp.tzname() or UTC_NAME
    return f"{UTC_NAME}{name}" if name[:1] in ("+", "-") else name


def subject(metric: str, column: str | None) -> str:
    """What a check is about.

    >>> subject("ks", "wind_speed"), subject("roc_auc_score", None)
    ('ks of wind_speed', 'roc_auc_score')
    """
    return metric if column is None else f"{metric} of {harmless(column)}"
