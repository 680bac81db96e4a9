"""Roles that a person gives to columns, `init --role label=churned`, and the columns that are still without one. No Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from spark_monitor.errors import ConfigError

if TYPE_CHECKING:
    from spark_monitor.commands.roles import Column

ROLES: Final = ("id", "time", "model_version", "prediction", "score", "label", "label_time", "label_id")
OF_LABELS: Final = ("label", "label_time", "label_id")
"""The roles that are of the label table's columns, where one is given."""

SEVERAL: Final = ("id", "label_id")
COLUMNS_SHOWN: Final = 20

Given = Mapping[str, tuple[str, ...]]
"""The columns of each role that a person gave; several columns are an id together."""


def given_roles(texts: Iterable[str]) -> Given:
    """What the options say; ConfigError where one is no role of a column, or gives a role twice that one column has.

    >>> given_roles(["label=churned", "id=shop", "id=day"])
    {'label': ('churned',), 'id': ('shop', 'day')}
    """
    given: dict[str, tuple[str, ...]] = {}
    for text in texts:
        role, separator, name = text.partition("=")
        if role not in ROLES or not separator or not name:
            raise ConfigError(f"--role {text}: found no ROLE=COLUMN. Roles are {', '.join(ROLES)}; such as --role label=churned.")
        if role in given and role not in SEVERAL:
            raise ConfigError(f"--role {text}: {role} is {given[role][0]} already. Give one column; only an id may have several.")
        given[role] = (*given.get(role, ()), name)
    of_column: dict[str, str] = {}
    for role, names in given.items():
        for name in names:
            if of_column.setdefault(name, role) != role:
                raise ConfigError(f"--role {role}={name}: it is {of_column[name]} already. Give each column one role.")
    return given


def answers_in(given: Given, names: Iterable[str]) -> tuple[str, ...]:
    """The columns of predictions and labels, whose values tell the task; ConfigError where the table lacks a column."""
    there = list(names)
    for role, columns in given.items():
        for name in columns:
            if name not in there:
                listed = ", ".join(there[:COLUMNS_SHOWN]) + (", ..." if len(there) > COLUMNS_SHOWN else "")
                raise ConfigError(f"--role {role}={name}: the table has no such column. Its columns: {listed}.")
    return (*given.get("prediction", ()), *given.get("label", ()))


class Free:
    """The columns without a role so far; those that a person gave a role to go to no other."""

    def __init__(self, columns: Iterable[Column], given: Given) -> None:
        of_person = {name: role for role, names in given.items() for name in names}
        self.columns = list(columns)
        self.given = {role: [one for one in self.columns if of_person.get(one.name) == role] for role in given}
        self.columns = [one for one in self.columns if one.name not in of_person]
        self.others: dict[str, tuple[str, ...]] = {}

    def take(self, role: str, rank: Callable[[Column], int]) -> Column | None:
        """The column that was given the role, or the one that fits it best; the others that would fit are remembered."""
        if role in self.given:
            return self.given[role][0]
        fitting = sorted((column for column in self.columns if rank(column)), key=rank, reverse=True)
        if not fitting:
            return None
        self.others[role] = tuple(column.name for column in fitting[1:])
        self.columns.remove(fitting[0])
        return fitting[0]
