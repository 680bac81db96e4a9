"""`spark-monitor status FILE...`: what a person wants to know, from the committed tables."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions
from spark_monitor.commands.several import Files, Left, each_with_facts, monitor_files, sessions

if TYPE_CHECKING:
    from spark_monitor.insight.facts import Facts, VersionFacts


def status(
    context: typer.Context,
    files: Files,
    everything: Annotated[bool, typer.Option("--all", help="Also list failing and undecided checks, slices and shifts.")] = False,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Show status, open incidents, model performance and next steps on one screen, for one monitor or several."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    with terminal.progress(leave=False):
        from spark_monitor.outputs.terminal.fleet import fleet_summary
        from spark_monitor.outputs.terminal.summary import styled, summary

        left = Left(terminal)
        monitors = list(each_with_facts(files, sessions(options, terminal), left))
    if as_json:
        documents = [document(facts) for _, _, facts in monitors]
        terminal.document(documents[0] if len(monitor_files(files)) == 1 else documents)
    elif len(monitors) > 1:
        named = [(facts, str(file)) for file, _, facts in monitors]
        terminal.tell(styled(fleet_summary(named, everything=everything).rstrip()))
    else:
        file, config, facts = monitors[0]
        terminal.tell(styled(summary(facts, config, file=str(file), everything=everything).rstrip()))
    left.end()


def document(facts: Facts) -> dict[str, Any]:
    """The facts for machines, with what follows from them: the state in one word and in one sentence, and each version's."""
    versions = [{"status": version.status, **_fields_of(version)} for version in facts.versions]
    summary = {"status": facts.status, "sentence": facts.sentence, "as_of": facts.as_of}
    return {**summary, **_fields_of(facts), "versions": versions}


def _fields_of(row: Facts | VersionFacts) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
