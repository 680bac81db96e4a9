"""Many monitors in one command: what is told of each, and when one certainly has nothing to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spark_monitor.commands.fleet import Fleet, by_place, summary
from spark_monitor.commands.terminal import Terminal
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.stages import idle
from spark_monitor.stages.idle import LastRun, waits

SUNDAY = datetime(2024, 1, 14, 12, tzinfo=UTC)


def written(directory: Path, name: str, extra: str = "") -> Path:
    file = directory / f"{name}.yaml"
    file.write_text(
        f"""
monitor: {name}
model: {{name: model, task: binary}}
predictions: {{table: t, id: i, time: at, prediction: p}}
labels: {{table: l, id: i, label: y, time: known, horizon: 3 days}}
windows: {{every: 1 week, also: [1 month]}}
outputs: {{path: {directory}/out}}
{extra}
""",
        encoding="utf-8",
    )
    return file


def config(directory: Path, extra: str = "") -> MonitorConfig:
    return load_config(written(directory, "one", extra))


def known(config: MonitorConfig, as_of: datetime) -> LastRun:
    return LastRun(config.config_hash(), as_of, 1, {})


@pytest.mark.parametrize(
    ("before", "after", "idle"),
    [
        (SUNDAY, SUNDAY, True),
        (SUNDAY, SUNDAY + timedelta(hours=11), True),
        (SUNDAY, SUNDAY + timedelta(hours=12), False),  # the week has ended
        (SUNDAY + timedelta(days=1), SUNDAY + timedelta(days=3, hours=11), True),
        (SUNDAY + timedelta(days=1), SUNDAY + timedelta(days=3, hours=12), False),  # its labels are final
        (SUNDAY + timedelta(days=4), SUNDAY + timedelta(days=6), True),
        (datetime(2024, 1, 31, 12, tzinfo=UTC), datetime(2024, 2, 1, 1, tzinfo=UTC), False),  # the month has ended
        (SUNDAY, SUNDAY - timedelta(hours=1), False),  # an earlier timestamp
    ],
)
def test_time_alone_makes_windows_due(before: datetime, after: datetime, idle: bool, tmp_path: Path) -> None:
    one = config(tmp_path)
    assert waits(one, known(one, before), after) is idle


@pytest.mark.parametrize(
    "extra",
    [
        "rules: [{metric: freshness_hours, fail: 24}]",
        "operations: {table: o, time: at}",
        "costs: {table: c, format: focus}",
        "pipelines: {tables: [t]}",
    ],
)
def test_what_time_or_other_tables_make_due_is_left_to_a_run(extra: str, tmp_path: Path) -> None:
    one = config(tmp_path, extra)
    assert not waits(one, known(one, SUNDAY), SUNDAY)


def test_another_file_is_left_to_a_run(tmp_path: Path) -> None:
    before = known(config(tmp_path), SUNDAY)
    assert not waits(config(tmp_path, "slices: [a]"), before, SUNDAY)


def test_two_files_with_one_name_and_broken_files_are_nobodys_for_certain(tmp_path: Path) -> None:
    files = [written(tmp_path, name) for name in ("one", "two")]
    twin = tmp_path / "twin.yaml"
    twin.write_text(files[0].read_text(encoding="utf-8"), encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text("monitor: [", encoding="utf-8")
    ((_, monitors),) = by_place([*files, twin, broken]).items()
    assert [file.name for file, _ in monitors] == ["two.yaml"]


def test_one_that_fails_stops_no_other_and_the_worst_code_counts(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[Path] = []
    fleet = Fleet(Terminal(), lambda _, file: shown.append(file))

    def failing(error: Exception) -> Any:
        raise error

    fleet.one(Path("a.yaml"), lambda: failing(ConfigError("a.yaml: no.")))
    fleet.one(Path("b.yaml"), lambda: failing(ValueError("broken")))
    fleet.one(Path("c.yaml"), lambda: SimpleNamespace(status="COMMITTED"))
    assert (fleet.code, shown) == (3, [Path("c.yaml")])
    assert fleet.summary() == "3 monitors: 1 committed, 2 failed (a.yaml, b.yaml)."
    assert "ValueError: broken" in capsys.readouterr().err
    assert summary({Path(f"{number}.yaml"): "FAILED" for number in range(12)}).endswith("and 2 more).")


def test_tables_whose_paths_differ_only_in_what_is_masked_have_versions_of_their_own(tmp_path: Path) -> None:
    monitors = []
    for token in ("de", "fr"):
        file = written(tmp_path, token)
        text = file.read_text(encoding="utf-8").replace("{table: t,", f"{{path: /rows/token={token}/t, format: parquet,")
        file.write_text(text, encoding="utf-8")
        monitors.append(load_config(file))
    assert monitors[0].predictions.text == monitors[1].predictions.text

    store: Any = SimpleNamespace(source_version=lambda source: source.path or source.table)
    versions = idle._versions(store, monitors)

    assert sorted(versions.values(), key=str) == ["/rows/token=de/t", "/rows/token=fr/t", "l"]
    seen = [LastRun("", SUNDAY, 1, {"predictions": f"/rows/token={token}/t", "labels": "l"}) for token in ("de", "fr")]
    assert [[idle._same(one, last, versions) for last in seen] for one in monitors] == [[True, False], [False, True]]
