"""`spark-monitor replay FILE`: what a monitor's rules cost in false alarms, and how soon they find a planted shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, AsOf, Conf, Master, MonitorFile, Remote, SessionOptions, timestamp_or_now
from spark_monitor.commands.report import require_place, write
from spark_monitor.commands.spark import open_spark
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import counted

if TYPE_CHECKING:
    from spark_monitor.stages.replay import Replayed, RuleReplayed, Shift

SEED = 20130101


def replay(
    context: typer.Context,
    file: MonitorFile,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Assign rows to windows at random, so that nothing drifts.")] = False,
    shift: Annotated[
        list[str] | None,
        typer.Option("--shift", metavar="COLUMN=D", help="Plant a shift of KS distance D in a column; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same order.")] = SEED,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="F", help="Where the picture is written. Default: MONITOR_replay.svg, here.")
    ] = None,
    as_of: AsOf = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Replay the baseline's rows as if they were windows: false alarms a week, rule by rule. No table is written."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    moment, shifts = timestamp_or_now("--as-of", as_of), parse_shifts(shift or ())
    with terminal.progress():
        from spark_monitor.api.monitor import Monitor

        monitor = Monitor.load(file)
        picture = out or Path(f"{monitor.config.monitor}_replay.svg")
        require_place(picture)
        spark = open_spark(session, terminal)
        replayed = monitor.replay(spark, as_of=moment, shuffled=shuffle, shifts=shifts, seed=seed)
        write(picture, drawn(monitor.config.monitor, replayed))
    terminal.document({"monitor": monitor.config.monitor, "picture": picture.resolve(), "replay": replayed})
    for line in lines_of(replayed):
        terminal.tell(line)
    terminal.tell(f"Written: {picture}")


def parse_shifts(options: Iterable[str]) -> dict[str, float]:
    """Columns and distances as typed.

    >>> parse_shifts(["fare=0.05"])
    {'fare': 0.05}
    """
    shifts: dict[str, float] = {}
    for text in options:
        name, separator, number = text.rpartition("=")
        try:
            distance = float(number)
        except ValueError:
            distance = float("nan")
        if not separator or not name or not 0 < distance <= 1:
            raise ConfigError(f'--shift: found "{text}". Allowed: COLUMN=D, D above 0 and at most 1, such as fare=0.05.')
        shifts[name] = distance
    return shifts


def lines_of(outcome: Replayed) -> Iterator[str]:
    """The table, a rule a block."""
    order = "in random order" if outcome.shuffled else "in the order of their times"
    yield f"{outcome.rows:,} rows of the baseline {order}, as {counted(outcome.windows, 'window')} of {outcome.every}."
    for rule in outcome.rules:
        yield f"rules[{rule.rule}] {rule.metric} ({rule.limits})"
        if rule.left_out is not None:
            yield f"    not replayed: {rule.left_out}."
            continue
        alarms = f"{counted(rule.alarms, 'false alarm')}, {rule.alarms_per_week:.3g} a week"
        yield f"    {alarms}; {rule.checks:,} checks, {counted(rule.warnings, 'warning')}, {rule.undecided:,} undecided"
        yield from (f"    {shift_text(shift)}" for shift in rule.shifts)
    replayed = [rule for rule in outcome.rules if rule.left_out is None]
    yield f"Together: {sum(rule.alarms_per_week for rule in replayed):.3g} false alarms a week."


def shift_text(shift: Shift) -> str:
    """What became of a planted shift."""
    about = f"planted {shift.column} D = {shift.distance:g}"
    if shift.first is None:
        return f"{about}: not found in {counted(shift.windows, 'window')}"
    return f"{about}: found after {counted(shift.first, 'window')}, in {shift.found:,} of {shift.windows:,}"


def drawn(monitor: str, replayed: Replayed) -> str:
    """The picture of a replay."""
    from spark_monitor.outputs.report.replay_picture import Bar, replay_svg

    def bar(rule: RuleReplayed) -> Bar:
        shifts = [(shift.column, shift.first, shift.windows) for shift in rule.shifts]
        return Bar(f"rules[{rule.rule}] {rule.metric}: {rule.limits}", rule.alarms_per_week, shifts)

    order = "in random order" if replayed.shuffled else "in the order of their times"
    title = f"{monitor}: {counted(replayed.windows, 'window')} of {replayed.every} of the baseline, {order}"
    return replay_svg(title, [bar(rule) for rule in replayed.rules if rule.left_out is None])
