"""`spark-monitor digest FILE...`: what changed in a period, what is open and whose it is, as Markdown or as a mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, AsOf, Conf, Master, Remote, SessionOptions, granularity, timestamp_or_now
from spark_monitor.commands.report import require_place, write
from spark_monitor.commands.several import Files, Left, each_with_facts, sessions
from spark_monitor.text.logs import log_of

log = log_of(__name__)


def digest(
    context: typer.Context,
    files: Files,
    as_of: AsOf = None,
    every: Annotated[str, typer.Option(metavar="PERIOD", help="The period: the last complete one.")] = "1 week",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="F", help="Write it as a mail's HTML instead of printing Markdown.")
    ] = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Show per model what changed in the last period, open incidents with owners, cost, and labels expected."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    with terminal.progress(leave=False):
        from spark_monitor.outputs.digest.digest import digest_html, digest_markdown, digest_of
        from spark_monitor.outputs.digest.due import last_period

        if out is not None:
            require_place(out)
        left = Left(terminal)
        log.info("Tables")
        moment, length = timestamp_or_now("--as-of", as_of), granularity("--every", every)
        each = list(each_with_facts(files, sessions(options, terminal), left, at=moment))
        period = last_period(length, moment, each[0][1].windows.zone)
        content = digest_of([facts for _, _, facts in each], period.start, period.end)
        if out is not None:
            write(out, digest_html(content))
    text = digest_markdown(content)
    terminal.document({"subject": content.subject, "start": period.start, "end": period.end, "markdown": text, "html": out})
    terminal.tell(text.rstrip() if out is None else f"Written: {out}")
    left.end()
