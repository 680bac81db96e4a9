"""What is declared of the data: the section `quality`. `init` proposes it from the data, a person edits it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isnan
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from spark_monitor.config.file import describe, problems
from spark_monitor.config.sources import SourceConfig
from spark_monitor.config.types import Columns, Name, Number, OneValue, Section, Text

NAMED_FORMATS: Final[Mapping[str, str]] = {
    "email": (
        r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$"
    ),
    "uuid": r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "ipv4": r"^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$",
    "url": r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]+[^\s]*$",
    "date_iso": r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$",
    "timestamp_iso": (
        r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
        r"(?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$"
    ),
    "phone_e164": r"^\+[1-9][0-9]{1,14}$",
    "country_iso2": r"^[A-Z]{2}$",
    "integer": r"^[+-]?[0-9]+$",
    "decimal": r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$",
}
"""Patterns that have a name; `country_iso2` is narrowed to ``COUNTRIES`` where values are looked at."""

_COUNTRY_CODES: Final = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_COUNTRY_CODES.split())
"""The two-letter codes of ISO 3166-1 that are assigned to countries."""


def _format(text: str) -> str:
    if text in NAMED_FORMATS:
        return text
    try:
        re.compile(text)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        named, reason = ", ".join(NAMED_FORMATS), "it is too deep" if isinstance(error, RecursionError) else error
        raise problems(
            ("", f"found {describe(text)}, which is no regular expression ({reason}). Allowed: one, or {named}.")
        ) from None
    return text


def _range(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Format = Annotated[Text, AfterValidator(_format)]
Bounds = Annotated[tuple[Number | None, Number | None], BeforeValidator(_range)]


class ExpectedRowsConfig(SourceConfig):
    """A manifest: how many rows each day or window should have."""

    time: Name = Field(description="the column with the day or the timestamp that a count is about")
    count: Name = Field(description="the column with the number of rows that there should be")


class QualityConfig(Section):
    """Formats, ranges, allowed values, keys and sentinels, and where the expected number of rows is written."""

    formats: dict[Text, Format] = Field(default={}, description="a named pattern or a regular expression for each column")
    ranges: dict[Text, Bounds] = Field(default={}, description="[minimum, maximum] for each column, such as {age: [0, 120]}")
    allowed: dict[Text, tuple[OneValue, ...]] = Field(default={}, description="the allowed values of each column")
    unique: Columns = Field(default=(), description="columns whose values must be unique")
    sentinels: tuple[OneValue, ...] = Field(default=(), description='values that stand for "missing", such as -999')
    expected_rows: ExpectedRowsConfig | None = Field(default=None, description="{table: ..., time: day, count: rows}")

    @model_validator(mode="after")
    def _something_is_allowed(self) -> Self:
        nothing = [name for name, values in self.allowed.items() if not values]
        if nothing:
            step = "Name the values that are, or remove the column"
            raise problems((f"allowed.{nothing[0]}", f"found an empty list: no value would be allowed. {step}."))
        return self

    @model_validator(mode="after")
    def _ranges_rise(self) -> Self:
        for name, (least, greatest) in self.ranges.items():
            if any(bound is not None and isnan(bound) for bound in (least, greatest)):
                raise problems((f"ranges.{name}", "found the number nan. Allowed: two numbers; null where there is no bound."))
            if least is not None and greatest is not None and least > greatest:
                raise problems((f"ranges.{name}", f"found [{least:g}, {greatest:g}]. Write the minimum first."))
        return self
