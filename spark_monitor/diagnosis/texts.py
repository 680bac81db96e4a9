"""Texts that are those of the baseline, damaged on the way: cut off, read in another encoding, or spelled in another way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.text.formatting import harmless, number

LEAST_ROWS: Final = 50
LEAST_CUT: Final = 25
"""Texts of which nearly all are beginnings of longer ones were cut, though a slice has few."""

NEW_SHARE: Final = 0.01
CUT_SHARE: Final = 0.05
"""Texts that were longer are worth naming from this share of the rows on."""

MOSTLY: Final = 0.8
"""Of the values that were not there before, so many (by rows) must be beginnings of those that were."""

NUMBER: Final = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
WAYS_OF_NUMBERS: Final = {
    "thousands separators": re.compile(
        r"\s*[+-]?[0-9]{1,3}((,[0-9]{3})+(\.[0-9]+)?|([. '\u00a0\u2019\u202f][0-9]{3})+(,[0-9]+)?)\s*"
    ),
    "a decimal comma": re.compile(r"\s*[+-]?[0-9]*,[0-9]+\s*"),
    "a unit or currency": re.compile(
        r"\s*([$\u20ac\u00a3\u00a5]|[A-Za-z]{1,4}|%)?\s*[+-]?[0-9]+([.,][0-9]+)?\s*([$\u20ac\u00a3\u00a5]|[A-Za-z]{1,4}|%)?\s*"
    ),
}
"""Other ways to write numbers, those that only such numbers have first."""

LISTED, SOME = 0.5, 0.5
"""Where the baseline's frequent values hold less of its rows, fewer of the beginnings need to be theirs."""

SHORTER: Final = 0.9
SIGNS_OF_DAMAGE: Final = re.compile("\ufffd|[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u2122]")
"""U+FFFD, and the bytes of UTF-8 read as Latin-1 or Windows-1252."""


def cut(evidence: Evidence) -> Finding | None:
    """Many texts are beginnings of longer ones of the baseline, and all are shorter than its longest."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or now.filled < LEAST_CUT:
        return None
    longest, before = now.longest, was.longest
    if longest is None or before is None or longest > SHORTER * before:
        return None
    what = f"strings are at most {number(longest)} characters long, up to {number(before)} in the baseline"
    finding = Finding("unseen_category", what, "they were cut", evidence="max_length")
    if _hardly_repeats(was) and _are_all_short(now, was):
        return finding
    new = new_items(now, was)
    share = max(sum(new.values()) / now.filled, evidence.measured("percent_unseen") / 100)
    whole = [text for text in was.items if len(text) > longest]
    shortened = sum(rows for text, rows in new.items() if len(text) == longest and any(one.startswith(text) for one in whole))
    # Of names that hardly repeat the baseline's frequent ones are few: not every beginning is among theirs.
    needed = SOME if _hardly_repeats(was) else MOSTLY
    is_cut = shortened >= needed * sum(rows for text, rows in new.items() if len(text) == longest) > 0
    if not is_cut or share < CUT_SHARE:
        return None
    return finding


def _hardly_repeats(was: Look) -> bool:
    return sum(was.items.values()) < LISTED * was.filled


def _are_all_short(now: Look, was: Look) -> bool:
    """Whether every string is shorter than they were on average: of strings that hardly repeat, no beginning is among those seen.

    Codes that stand for names are short as well, but few.
    """
    return (
        was.mean_length is not None
        and now.longest is not None
        and 0 < now.longest < was.mean_length
        and now.filled >= LEAST_ROWS
        and (now.distinct or 0) >= LEAST_CUT
    )


def damaged(evidence: Evidence) -> Finding | None:
    """Texts that show the signs of another encoding."""
    now, was = evidence.now, evidence.baseline or evidence.before
    share = evidence.measured("percent_mojibake") / 100
    new = new_items(now, was) if now is not None and was is not None and now.mean is None else {}
    damaged_texts = {text: rows for text, rows in new.items() if SIGNS_OF_DAMAGE.search(text)}
    if now is not None and now.filled >= LEAST_ROWS:
        share = max(share, sum(damaged_texts.values()) / now.filled)
    if share <= NEW_SHARE:
        return None
    example = max(damaged_texts, key=lambda text: (damaged_texts[text], text), default=None)
    shown = f", such as {harmless(example, 30)}" if example is not None else ""
    what = f"{100 * share:.1f} % of its strings have damaged letters{shown}"
    return Finding("encoding_swap", what, "they were read in another encoding", evidence="percent_mojibake", part=share)


def respelled(evidence: Evidence) -> Finding | None:
    """Texts that are those of the baseline but for blanks around them, or for capital letters."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or now.filled < LEAST_ROWS:
        return None
    new, known = new_items(now, was), {_plain(text) for text in was.items}
    share, same = sum(new.values()) / now.filled, {text: rows for text, rows in new.items() if _plain(text) in known}
    if share <= NEW_SHARE or sum(same.values()) < MOSTLY * sum(new.values()):
        return None
    example = harmless(max(same, key=lambda text: (same[text], text)), 30)
    if sum(rows for text, rows in same.items() if text != text.strip()) >= MOSTLY * sum(same.values()):
        what = f'{100 * share:.1f} % of its strings have blanks around them, such as "{example}"'
        return Finding("unseen_category", what, "otherwise they are the baseline's", evidence="percent_whitespace", part=share)
    what = f'{100 * share:.1f} % of its strings have other capital letters, such as "{example}"'
    kind = "encoding_swap" if share >= MOSTLY else "unseen_category"
    return Finding(kind, what, "otherwise they are the baseline's", evidence="percent_unseen", part=share)


def rewritten(evidence: Evidence) -> Finding | None:
    """Numbers that are written in another way than the baseline's, so that they are none to whoever reads them.

    >>> from spark_monitor.diagnosis.looks import Measured
    >>> was, now = Look(count=900, items={"12.5": 9, "1034.75": 8}), Look(count=100, items={"12,5": 3, "1034,75": 2})
    >>> rewritten(Evidence(now, was, quality={"percent_unparsable": Measured(98.0)})).what
    '98.0 % of its strings are numbers with a decimal comma, such as 12,5'
    """
    now, was = evidence.now, evidence.baseline or evidence.before
    share = evidence.measured("percent_unparsable") / 100
    if now is None or was is None or now.mean is not None or share <= NEW_SHARE:
        return None
    unlike = {text: rows for text, rows in new_items(now, was).items() if not NUMBER.fullmatch(text)}
    for way, pattern in WAYS_OF_NUMBERS.items():
        fitting = {text: rows for text, rows in unlike.items() if pattern.fullmatch(text)}
        if fitting and sum(fitting.values()) >= MOSTLY * sum(unlike.values()):
            example = harmless(max(fitting, key=lambda text: (fitting[text], text)), 30)
            what = f"{100 * share:.1f} % of its strings are numbers with {way}, such as {example}"
            return Finding("schema_change", what, "they no longer parse", evidence="percent_unparsable", part=share)
    return None


def _plain(text: str) -> str:
    """A text without what is lost where it is written in another way.

    >>> _plain(" De "), _plain("de") in {_plain("DE")}
    ('de', True)
    """
    return text.strip().casefold()


def new_items(now: Look, was: Look) -> Mapping[str, int]:
    """The frequent values that the baseline does not have."""
    return {text: rows for text, rows in now.items.items() if text not in was.items}
