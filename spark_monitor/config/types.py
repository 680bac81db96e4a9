"""The kinds of values that a monitor's file holds: names, lists of columns, lengths of time, thresholds, each with its check."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from spark_monitor.config.file import describe, problems, require_no_variable, unknown_name
from spark_monitor.config.vocabulary import KNOWN_METRICS, MEANT, METRIC_ALIASES, canonical_metric, is_known
from spark_monitor.errors import ConfigError
from spark_monitor.text.masking import mask_secrets
from spark_monitor.windowing.periods import parse_duration, parse_every, parse_timestamp, parse_zone

Scalar = int | float | str | bool
Slice = str | tuple[str, ...]
Parsed = TypeVar("Parsed")
LEAST_MEMORY, MOST_MEMORY = 64 << 20, 64 << 30


def _sentence_of(parse: Callable[[Any], Parsed]) -> Callable[[Any], Parsed]:
    """A parser whose ConfigError becomes a pydantic error at the place of the value."""

    def parsed(value: Any) -> Parsed:
        try:
            return parse(value)
        except ConfigError as error:
            raise problems(("", str(error))) from None

    return parsed


def _not_a_yes(value: Any) -> Any:
    if isinstance(value, bool):
        raise problems(("", f"found {str(value).lower()}. Allowed: a number."))
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, Scalar) or (isinstance(value, float) and not math.isfinite(value)):
        raise problems(("", f"found {describe(value)}. Allowed: one number, string or true/false."))
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = repeated_names(names)
    if repeated:
        raise problems(("", f"found {quoted(repeated)} more than once. Name each column once."))
    return names


def repeated_names(names: Iterable[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


def quoted(names: Iterable[str]) -> str:
    """Names as they stand in a sentence."""
    return ", ".join(f'"{name}"' for name in names)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise problems(("", "found an empty string. Write a name, or leave the key out."))
    return text


def _expression(text: str) -> str:
    # Reading SQL takes a parser, a third of a second to import, which a Python worker that holds a rule has no use for.
    from spark_monitor.config.expressions import require_expression

    return require_expression(text)


def _condition(text: str) -> str:
    from spark_monitor.config.expressions import require_condition

    return require_condition(text)


def _star_or_listed(value: Any) -> Any:
    return "*" if value in ("*", ["*"]) else _listed(value)


def _metric_name(name: str) -> str:
    if not is_known(canonical_metric(name)):
        raise unknown_name("metric", name, [*KNOWN_METRICS, *METRIC_ALIASES], meant=MEANT.get(name.lower()))
    return canonical_metric(name)


def _one_or_many(value: Any) -> str:
    return "<one>" if isinstance(value, str) else "<many>"


def _zone_name(text: str) -> str:
    parse_zone(text)
    return text


def parse_memory(text: str) -> int:
    """The number of bytes that a string such as "512 MiB" or "2 GiB" means.

    >>> parse_memory("512 MiB")
    536870912
    """
    match = re.fullmatch(r"(\d{1,6}) ?(MiB|GiB)", text.strip())
    size = int(match[1]) << (20 if match[2] == "MiB" else 30) if match else 0
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise ConfigError(f"found {describe(text)}. Allowed: from 64 MiB to 64 GiB, such as 512 MiB or 2 GiB.")
    return size


def _memory_text(text: str) -> str:
    parse_memory(text)
    return text.strip()


def _every_label(text: str) -> str:
    return parse_every(text).label


def _fine_every_label(text: str) -> str:
    return parse_every(text, minutes=True).label


def _duration_text(text: str) -> str:
    parse_duration(text)
    return text.strip()


def _moment_text(value: Any) -> Any:
    """YAML reads 2020-01-01 as a date and 2020-01-01T06:00:00Z as a time; both are kept as ISO text."""
    return value.isoformat() if isinstance(value, date) else value


def _timestamp_text(text: str) -> str:
    parse_timestamp(text)
    return text.strip()


Text = Annotated[str, AfterValidator(_not_blank)]
Name = Annotated[Text, AfterValidator(_sentence_of(require_no_variable))]
"""A name, or an address, that enters SQL."""

Expression = Annotated[Text, AfterValidator(_sentence_of(_expression))]
"""A column, or SQL over one row that can do no more than compute a value."""

Condition = Annotated[Text, AfterValidator(_sentence_of(_condition))]
"""An expression as well, which no column's name can be."""

Expressions = Annotated[tuple[Expression, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
Columns = Annotated[tuple[Name, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
Every = Annotated[str, AfterValidator(_sentence_of(_every_label))]
FineEvery = Annotated[str, AfterValidator(_sentence_of(_fine_every_label))]
Coarser = Annotated[tuple[Every, ...], BeforeValidator(_listed)]
Duration = Annotated[str, AfterValidator(_sentence_of(_duration_text))]
Moment = Annotated[str, BeforeValidator(_moment_text), AfterValidator(_sentence_of(_timestamp_text))]
Memory = Annotated[str, AfterValidator(_sentence_of(_memory_text))]
Zone = Annotated[str, AfterValidator(_sentence_of(_zone_name))]
SliceText = Annotated[Annotated[Expression, Tag("<one>")] | Annotated[Columns, Tag("<many>")], Discriminator(_one_or_many)]
RuleColumns = Annotated[
    Annotated[Literal["*"], Tag("<one>")] | Annotated[Columns, Tag("<many>")],
    Discriminator(_one_or_many),
    BeforeValidator(_star_or_listed),
]
YesOrNo = Annotated[bool, Field(strict=True)]
MetricName = Annotated[str, AfterValidator(_metric_name)]
Number = Annotated[float, BeforeValidator(_not_a_yes)]
WholeNumber = Annotated[int, BeforeValidator(_not_a_yes)]
OneValue = Annotated[Scalar, BeforeValidator(_scalar)]


class Section(BaseModel):
    """One section of the file: frozen, unknown keys refused, secrets kept out of its text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, _shown(value)


def _shown(value: Any) -> Any:
    """A value without secrets, also where it is one of several."""
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, dict):
        return {_shown(key): _shown(below) for key, below in value.items()}
    return type(value)(map(_shown, value)) if type(value) in (tuple, list) else value


class LiteralVersion(Section):
    """One model version for the whole table, where no column holds it."""

    literal: Text = Field(description='the model version as a string in quotes, such as "3"')


Version = Annotated[Annotated[Text, Tag("<one>")] | Annotated[LiteralVersion, Tag("<many>")], Discriminator(_one_or_many)]
