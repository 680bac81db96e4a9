"""Grafana's own model of a dashboard reads ours and writes every key of it back.

It runs where `grafana-foundation-sdk` is installed: `python -m venv V && V/bin/pip install grafana-foundation-sdk pytest`, then
`PYTHONPATH=V/lib/python3.11/site-packages .venv/bin/python -m pytest tests/platforms/test_grafana_model.py`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from spark_monitor.outputs.dashboards.grafana import grafana_dashboard

MODEL, ENCODER = "grafana_foundation_sdk.models.dashboard", "grafana_foundation_sdk.cog.encoder"


def lost(given: Any, found: Any, path: str = "") -> Iterator[str]:
    """The paths whose values are not what was given."""
    if isinstance(given, dict) and isinstance(found, dict):
        for key, value in given.items():
            yield from lost(value, found.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
        for place, (one, other) in enumerate(zip(given, found, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif given != found:
        yield f"{path}: {given!r} became {found!r}"


def test_grafanas_own_model_reads_the_dashboard_and_writes_it_back() -> None:
    model = pytest.importorskip(MODEL)
    encoder = importlib.import_module(ENCODER)
    given = json.loads(grafana_dashboard("main.monitoring"))

    written = json.dumps(model.Dashboard.from_json(given), cls=encoder.JSONEncoder)

    assert list(lost(given, json.loads(written))) == []
