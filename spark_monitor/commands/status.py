"""`spark-monitor status FILE...`: what a person wants to know, from the committed tables."""

from __future__ import annotations

from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions
from spark_monitor.commands.several import Files, each_monitor, sessions


def status(
    context: typer.Context,
    files: Files,
    everything: Annotated[bool, typer.Option("--all", help="Every check that fails or is undecided, slices, shifts.")] = False,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong, since when, how well the model does, and what to do: one screen, of one monitor or of several."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    with terminal.progress(leave=False):
        from spark_monitor.commands.known import known_facts
        from spark_monitor.outputs.terminal.fleet import fleet_summary
        from spark_monitor.outputs.terminal.summary import styled, summary

        session = sessions(options, terminal)
        found = [(file, config, known_facts(config, session)) for file, config in each_monitor(files, terminal)]
    if as_json:
        documents = [known for _, _, known in found]
        terminal.document(documents[0] if len(documents) == 1 else documents)
        return
    if len(found) > 1:
        named = [(known, str(file)) for file, _, known in found]
        terminal.tell(styled(fleet_summary(named, everything=everything).rstrip()))
        return
    for file, config, known in found:
        terminal.tell(styled(summary(known, config, file=str(file), everything=everything).rstrip()))
