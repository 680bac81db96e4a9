"""Values as a monitor's file writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def scalar(value: Any) -> str:
    """A value as YAML writes it, in quotes wherever YAML could take it for something else.

    >>> scalar("flight_id"), scalar("wind speed"), scalar("no"), scalar("1"), scalar(1), scalar(True)
    ('flight_id', '"wind speed"', '"no"', '"1"', '1', 'true')
    """
    if isinstance(value, float):
        return str(yaml.safe_dump(value)).splitlines()[0]  # JSON's 5e-324 is a string to YAML
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))).strip()


def flow(value: Any) -> str:
    """A value as YAML writes it on one line.

    >>> flow({"metric": "ks", "columns": ["a b"], "fail": {"learned": 0.999}})
    '{metric: ks, columns: ["a b"], fail: {learned: 0.999}}'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)
