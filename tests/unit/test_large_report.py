"""The report of 5,000 columns and 50 slices: what matters of them, in a page that a browser opens at once."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from example_facts import config, week
from tables_written import arrow_type, write_tables

from spark_monitor.insight.read_results import facts
from spark_monitor.outputs.report.page import report_html
from spark_monitor.store.local import LocalTables
from spark_monitor.store.schemas import TABLES
from spark_monitor.windowing.windows import Window

COLUMNS, SLICES, WEEKS = 5_000, 50, 30
LARGEST_PAGE = 5 * 1024**2
MOST_SECONDS_TO_OPEN, MOST_SECONDS_TO_WRITE = 2.0, 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MEASURE = """<!doctype html><p id="out"></p><iframe id="page" width="1200" height="900"></iframe><script>
var began = performance.now(), page = document.getElementById("page");
page.onload = function () { document.getElementById("out").textContent = "opened in " + (performance.now() - began) + " ms"; };
page.src = "%s";
</script>"""


def appended(directory: Path, name: str, window: Window, given: dict[str, Any], length: int) -> None:
    """Rows of a table, of the columns that are given; the others are NULL."""
    table = TABLES[name]
    edges = pa.array([(window.start, window.end)] * length, arrow_type(table.schema["window"].dataType))
    same = {"monitor_id": "flights_delay", "run_id": "r1", "granularity": "1 week", "model_version": "2"}
    whole = {**{key: [value] * length for key, value in same.items()}, **given, "window": edges}
    kinds = {field.name: arrow_type(field.dataType) for field in table.columns}
    arrays = [pa.array(whole[key], kind) if key in whole else pa.nulls(length, kind) for key, kind in kinds.items()]
    made = pa.Table.from_arrays(arrays, names=list(kinds))
    write_deltalake(str(directory / name), made, partition_by=["monitor_id"], mode="append")


def write_window(directory: Path, number: int, slices: Sequence[str | None]) -> None:
    random = np.random.default_rng(number)
    length = COLUMNS * len(slices)
    names = [f"feature_group_{place % 100}_with_a_long_name_{place}" for place in range(COLUMNS)] * len(slices)
    keys = [None if value is None else "market" for value in slices for _ in range(COLUMNS)]
    about = {"column_name": names, "slice_key": keys, "slice_value": [value for value in slices for _ in range(COLUMNS)]}
    distance = random.beta(1, 6, length)
    shape = np.sort(random.normal(size=101)).tolist()
    profile = {"log_type": ["INPUT"] * length, "count": [10_000] * length, "percent_null": random.random(length)}
    quantiles = {"quantiles": [shape if key is None else None for key in keys]}
    appended(directory, "profile_metrics", week(number), {**about, **profile, **quantiles}, length)
    tested = [{"statistic": value, "pvalue": 0.0} for value in distance]
    bounds = {"ks_population_lower": distance - 0.01, "ks_population_upper": distance + 0.01}
    drift = {"drift_type": ["BASELINE"] * length, "ks_test": tested, **bounds}
    appended(directory, "drift_metrics", week(number), {**about, **drift}, length)
    verdicts = np.where(distance > 0.3, "FAIL", np.where(distance > 0.2, "WARN", "PASS"))
    rule = {name: [value] * length for name, value in {"family": "drift", "metric": "ks", "severity": "medium"}.items()}
    judged = {"verdict": verdicts, "value": distance, "reason": [f"ks is {value:.3f}." for value in distance]}
    ids = {"check_id": [f"{name} {key}" for name, key in zip(names, about["slice_value"], strict=True)]}
    expected = {"expected": ["at most 0.3"] * length}
    appended(directory, "checks", week(number), {**about, **rule, **judged, **ids, **expected}, length)


def incidents() -> list[dict[str, Any]]:
    told = {"kind": "drift", "diagnosis": "It has moved. " * 8, "dataset": "predictions", "status": "OPEN", "severity": "high"}
    seen = {"opened": week(1).start, "last_seen": week(WEEKS - 1).end, "occurrences": 5, "checks": 51, "model_versions": ["2"]}
    named = [f"feature_group_{place % 100}_with_a_long_name_{place}" for place in range(800)]
    return [
        {
            "monitor_id": "flights_delay",
            "run_id": "r1",
            "incident_id": f"{place:016x}",
            "title": f"{name} has drifted",
            "column_name": name,
            "members": [{"check_id": f"{name} None", "metric": "ks", "column_name": name}],
            **told,
            **seen,
        }
        for place, name in enumerate(named)
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_report_of_five_thousand_columns_and_fifty_slices_opens_at_once(tmp_path: Path) -> None:
    run = {"run_id": "r1", "monitor_id": "flights_delay", "as_of": week(WEEKS).start, "status": "COMMITTED"}
    write_tables(tmp_path, {"runs": [run], "incidents": incidents()})
    for number in range(WEEKS):
        write_window(tmp_path, number, [None, *map(str, range(SLICES))] if number == WEEKS - 1 else [None])
        count = {"column_name": [":table"], "log_type": ["INPUT"], "count": [10_000]}
        appended(tmp_path, "profile_metrics", week(number), count, 1)

    began = time.perf_counter()
    known = facts(LocalTables(str(tmp_path), "flights_delay"), config(), pictures=True)
    page = report_html(known, config())
    seconds = time.perf_counter() - began

    written = tmp_path / "report.html"
    written.write_text(page, encoding="utf-8")
    print(f"{written.stat().st_size:,} bytes, written in {seconds:.1f} s")
    assert "800 open incidents" in page
    assert page.count('<details class="column"') == 60
    assert "Drawn are the 60 columns that break rules or have moved farthest. All of them: <code>SELECT" in page
    assert "and 750 more: <code>SELECT * FROM open_incidents</code>" in page
    assert written.stat().st_size <= LARGEST_PAGE
    assert seconds < MOST_SECONDS_TO_WRITE
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here: the page is small enough; how long a browser takes was not measured")
    frame = tmp_path / "measure.html"
    frame.write_text(MEASURE % written.name, encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--dump-dom"]
    shown = subprocess.run([browser, *options, frame.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    opened = re.search(r"opened in ([\d.]+) ms", shown)
    assert opened is not None
    print(f"opened in {float(opened[1]):,.0f} ms")
    assert float(opened[1]) < 1_000 * MOST_SECONDS_TO_OPEN
