"""Messages: who is told what, once, within a budget; nothing lost when a channel is down, nothing said twice, no secret told."""

from __future__ import annotations

import io
import json
import re
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from example_facts import config, example, week

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.rows import IncidentRow, Judged
from spark_monitor.outputs.alerts.actions import Due as DueAction
from spark_monitor.outputs.alerts.actions import act, under_way
from spark_monitor.outputs.alerts.channel import ChannelError
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.deliver import deliver
from spark_monitor.outputs.alerts.message import Message
from spark_monitor.outputs.digest.due import send_digest
from spark_monitor.windowing.timestamps import micros
from spark_monitor.windowing.windows import Window
from tests.logged import logged

NOW = datetime(2013, 12, 10, 12, tzinfo=UTC)
SECRET = "hunter2-token"
PAGE = 1_000


@dataclass
class Inbox:
    """A channel that keeps what it is sent, or is down."""

    down: bool = False
    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.down:
            raise ChannelError("it answered 503.")
        self.messages.append(message)


class Killed(BaseException):
    """The process is gone before a commit."""


class Book:
    """A ledger in memory that is asked as the tables are."""

    def __init__(self, checks: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.commits = 0
        self.checks = list(checks)
        self.incidents: Sequence[IncidentRow] = ()
        self.dies_at: int | None = None
        self.notified: set[str] = set()

    def record_deliveries(self, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if self.commits == self.dies_at:
            raise Killed
        self.commits += 1
        for row in rows:
            self.rows[row["delivery_id"]] = dict(row)

    def mark_notified(self, monitor_id: str, incident_ids: Iterable[str], *, at: datetime) -> None:
        self.notified |= set(incident_ids)

    def has(self, table: str, column: str | None = None) -> bool:
        return True

    def relation(self, table: str) -> str:
        return table

    def literal(self, text: str) -> str:
        return json.dumps(text)

    def first(self, array: str, field: str) -> str:
        return array

    def ask(self, sql: str) -> list[dict[str, Any]]:
        if " FROM checks " in sql:
            return [dict(row) for row in self.checks]
        if " FROM incidents " in sql:
            return [stored(row) for row in self.incidents if json.dumps(row.incident_id) in sql]
        times = ("as_of", "sent")
        return [
            {**row, **{name: None if row[name] is None else micros(row[name]) for name in times}} for row in self.rows.values()
        ]


def stored(row: IncidentRow) -> dict[str, Any]:
    """An incident as the tables answer."""
    times = {name: micros(at) for name in ("opened", "last_seen", "resolved", "muted_until") if (at := getattr(row, name))}
    renamed = {"column_name": row.column, "model_versions": row.versions, "causes": ()}
    absent = dict.fromkeys(("resolved", "muted_until", "notified_at"))
    return {
        **vars(row),
        **absent,
        **times,
        **renamed,
        "first_metric": row.metric,
        "first_check_id": None,
        "monitor_id": row.monitor,
    }


def people(**changes: Any) -> dict[str, Any]:
    return {
        "owners": {"data-platform": {"email": "dp@example.org", "role": "engineer"}},
        "channels": {"oncall": {"url_env": "ONCALL"}, "team": {"url_env": "TEAM"}},
        "routes": [{"severity": ["high", "critical"], "to": "oncall"}, {"role": "engineer", "to": "team"}],
        **changes,
    }


def incident(name: str = "a", **changes: Any) -> IncidentRow:
    return replace(example().open[0], **{"incident_id": name, "severity": "critical", "series": (), **changes})


def told(
    incidents: Sequence[IncidentRow],
    book: Book,
    inboxes: Mapping[str, Inbox],
    *,
    at: datetime = NOW,
    monitor: MonitorConfig | None = None,
    preview: list[str] | None = None,
) -> int:
    book.incidents = incidents
    return deliver(
        [incidents[first : first + PAGE] for first in range(0, len(incidents), PAGE)],
        monitor or config(people=people()),
        book,
        book,
        as_of=at,
        run_id="r",
        preview=preview,
        open_named=lambda name: inboxes[name],
    )


@pytest.fixture
def inboxes() -> dict[str, Inbox]:
    return {"oncall": Inbox(), "team": Inbox()}


def test_a_message_says_what_since_when_how_much_why_whose_and_what_next(inboxes: dict[str, Inbox]) -> None:
    told([incident()], Book(), inboxes)

    [message] = inboxes["oncall"].messages
    assert message.title == "[CRITICAL, new] flights_delay: wind＿speed has moved"
    for words in (
        "half of the values left the baseline's range",
        "Since 2013-09-09 (13 windows, 5 checks).",
        "Likely cause: wind＿speed moved farthest, and the model leans on it. (70.0 % of the change)",
        "Owner: data-platform.",
        "Next step: docs/runbooks/drift.md.",
        "spark-monitor explain a",
        f"Reference: {message.key}",
    ):
        assert words in message.body


def test_an_incident_opens_escalates_and_resolves_once_on_each_channel(inboxes: dict[str, Inbox]) -> None:
    book = Book()
    stages = (
        [incident(severity="medium")],
        [incident(severity="medium")],
        [incident(severity="critical")],
        [incident(severity="critical")],
        [incident(severity="critical", status="RESOLVED", resolved=NOW)],
        [incident(severity="critical", status="RESOLVED", resolved=NOW)],
    )
    for stage in stages:
        told(stage, book, inboxes)

    assert [message.event for message in inboxes["team"].messages] == ["OPENED", "ESCALATED", "RESOLVED"]
    assert [message.event for message in inboxes["oncall"].messages] == ["OPENED", "RESOLVED"]
    assert len({message.key for inbox in inboxes.values() for message in inbox.messages}) == 5


def test_what_was_over_before_anybody_was_told_is_not_told(inboxes: dict[str, Inbox]) -> None:
    assert told([incident(status="RESOLVED", resolved=NOW)], Book(), inboxes) == 0


@pytest.mark.parametrize(
    "state",
    [{"status": "ACKNOWLEDGED"}, {"status": "MUTED", "muted_until": NOW + timedelta(days=1)}, {"status": "MUTED"}],
)
def test_acknowledged_and_muted_incidents_are_silent(state: dict[str, Any], inboxes: dict[str, Inbox]) -> None:
    assert told([incident(**state)], Book(), inboxes) == 0


def test_the_end_of_a_muted_incident_is_told_when_its_time_has_come_and_that_of_an_acknowledged_one_at_once(
    inboxes: dict[str, Inbox],
) -> None:
    book, until = Book(), NOW + timedelta(days=2)
    rows = [incident("muted"), incident("taken")]
    told(rows, book, inboxes)
    over = {"status": "RESOLVED", "resolved": NOW}
    rows = [incident("muted", muted_until=until, **over), incident("taken", acknowledged_by="me", **over)]

    for day in range(4):
        told(rows, book, inboxes, at=NOW + timedelta(days=day))

    ends = [(row["incident_id"], row["as_of"]) for row in book.rows.values() if row["event"] == "RESOLVED"]
    assert sorted(set(ends)) == [("muted", until), ("taken", NOW)]


def test_a_channel_that_is_down_is_tried_again_by_the_next_run_and_costs_no_other(inboxes: dict[str, Inbox]) -> None:
    book = Book()
    inboxes["oncall"].down = True
    with logged() as lines:
        assert told([incident()], book, inboxes) == 1
    assert sorted(row["status"] for row in book.rows.values()) == ["FAILED", "SENT"]
    assert "warning: channel oncall: it answered 503. The next run tries again." in lines

    inboxes["oncall"].down = False
    assert told([incident()], book, inboxes) == 1

    assert [len(inbox.messages) for inbox in inboxes.values()] == [1, 1]
    again = next(row for row in book.rows.values() if row["channel"] == "oncall")
    assert (again["status"], again["attempts"], again["error"]) == ("SENT", 2, None)


def named(message: Message) -> set[str]:
    """The incidents that a message of several tells."""
    return set(re.findall(r"\(incident (\w+)\)", message.body))


@pytest.mark.parametrize("events", [5, 20, 250])
def test_a_process_that_dies_between_send_and_note_repeats_one_message_with_the_same_key(events: int) -> None:
    many = [incident(f"i{place}", owner=None) for place in range(events)]
    whole = Book()
    told(many, whole, {"oncall": Inbox()})

    for dies_at in range(whole.commits):
        book, inbox = Book(), Inbox()
        book.dies_at = dies_at
        with pytest.raises(Killed):
            told(many, book, {"oncall": inbox})
        book.dies_at = None
        told([*many[3:], *many[:3], incident("new", owner=None, severity="high")], book, {"oncall": inbox})
        told(many, book, {"oncall": inbox})

        keys = [message.key for message in inbox.messages]
        assert len(keys) - len(set(keys)) <= 1
        messages = {message.key: message for message in inbox.messages}.values()
        together = [name for message in messages for name in named(message)]
        assert len(together) == len(set(together)), "no event is told twice by different messages"
        assert len(together) + sum(not named(message) for message in messages) == events + 1
        assert [row["status"] for row in book.rows.values()] == ["SENT"] * (events + 1)


def test_a_thousand_events_are_each_told_once_in_few_messages(inboxes: dict[str, Inbox]) -> None:
    book = Book()
    many = [incident(f"i{place}", owner=None) for place in range(1_100)]

    told(many, book, inboxes)
    told(many, book, inboxes)

    alone, groups = inboxes["oncall"].messages[:20], inboxes["oncall"].messages[20:]
    assert [len(named(message)) for message in groups] == [100] * 10 + [80]
    assert len({message.key for message in (*alone, *groups)}) == 31
    assert {row["incident_id"] for row in book.rows.values()} == {row.incident_id for row in many} == book.notified
    assert {row["status"] for row in book.rows.values()} == {"SENT"}
    assert book.commits == 1 + 31
    assert max(len(message.body) for message in groups) < 20_000, "chat programs take no more"


def test_a_message_of_several_says_what_of_which_and_hides_names_where_the_file_says_so(inboxes: dict[str, Inbox]) -> None:
    many = [incident(f"i{place}") for place in range(22)]
    many.append(incident("hostile", title="<script>@everyone\x1b[31m\n[x](http://y)", severity="high"))
    told(many, Book(), inboxes)
    told(many, Book(), secret := {"oncall": Inbox(), "team": Inbox()}, monitor=config(people=people(spelled=False)))

    message, hidden = inboxes["oncall"].messages[-1], secret["oncall"].messages[-1]
    assert message.title == "[CRITICAL, 3 events] flights_delay: 3 new"
    assert "- CRITICAL, new: wind＿speed has moved, since 2013-09-09; owner data-platform (incident i" in message.body
    assert "- HIGH, new: ‹script›＠everyone" in message.body
    assert not set("<@\x1b") & set(message.body)
    assert "- CRITICAL, new: drift, since 2013-09-09; owner data-platform (incident i" in hidden.body
    assert "speed" not in hidden.body + hidden.title
    assert f"Reference: {message.key}" in message.body


def test_the_links_of_a_message_hold_no_password_and_no_token(inboxes: dict[str, Inbox]) -> None:
    links = {
        "report_url": f"https://ann:{SECRET}@reports.example.org/flights",
        "mlflow_url": f"https://m.example.org/?token={SECRET}",
    }
    told([incident(f"i{place}") for place in range(22)], Book(), inboxes, monitor=config(people=people(**links)))

    alone, *_, together = inboxes["oncall"].messages
    for message in (alone, together):
        assert SECRET not in message.body
        assert "Report: https://***@reports.example.org/flights\nMLflow: https://m.example.org/?token=***\n" in message.body


def test_messages_of_several_that_were_refused_are_the_same_when_they_are_tried_again(inboxes: dict[str, Inbox]) -> None:
    book = Book()
    many = [incident(f"i{place}", owner=None) for place in range(250)]
    inboxes["oncall"].down = True
    assert told(many, book, inboxes) == 0
    waiting = {row["message_id"] for row in book.rows.values() if row["message_id"]}
    assert sorted({row["status"] for row in book.rows.values()}) == ["FAILED", "PENDING"]

    inboxes["oncall"].down = False
    resolved = [replace(row, status="RESOLVED", resolved=NOW) if row.incident_id == "i200" else row for row in many]
    assert told(resolved, book, inboxes) == 3 + 20
    assert told(resolved, book, inboxes) == 1

    assert {message.key for message in inboxes["oncall"].messages if named(message) or "no longer" in message.body} == waiting
    assert inboxes["oncall"].messages[-1].event == "RESOLVED"


def test_the_budget_goes_to_the_worst_and_the_rest_is_left_to_the_digest(inboxes: dict[str, Inbox]) -> None:
    book = Book()
    monitor = config(people=people(), alerts={"budget": "3 per week"})
    many = [incident(str(place), severity="high" if place else "critical", owner=None) for place in range(6)]

    told(list(reversed(many)), book, inboxes, monitor=monitor)
    told(many, book, inboxes, monitor=monitor, at=NOW + timedelta(days=8))

    assert len(inboxes["oncall"].messages) == 3
    assert inboxes["oncall"].messages[0].severity == "critical"
    assert [row["status"] for row in book.rows.values()].count("DIGEST") == 3


def test_quiet_hours_hold_a_message_back_until_they_are_over(inboxes: dict[str, Inbox]) -> None:
    channels = {"oncall": {"url_env": "ONCALL", "quiet": "22:00-07:00"}, "team": {"url_env": "TEAM"}}
    monitor, book = config(people=people(channels=channels)), Book()

    told([incident()], book, inboxes, monitor=monitor, at=NOW.replace(hour=23))
    assert (len(inboxes["oncall"].messages), len(inboxes["team"].messages)) == (0, 1)
    told([incident()], book, inboxes, monitor=monitor, at=NOW.replace(hour=7) + timedelta(days=1))

    assert (len(inboxes["oncall"].messages), len(inboxes["team"].messages)) == (1, 1)


def test_a_dry_run_says_what_would_be_sent_and_notes_nothing(inboxes: dict[str, Inbox]) -> None:
    book, preview = Book(), list[str]()

    told([incident()], book, inboxes, preview=preview)

    assert preview[0].startswith("would send to oncall: [CRITICAL, new] flights_delay")
    assert not book.rows
    assert not inboxes["oncall"].messages


def test_names_of_data_are_left_out_where_the_file_says_so(inboxes: dict[str, Inbox]) -> None:
    told([incident()], Book(), inboxes, monitor=config(people=people(spelled=False)))

    [message] = inboxes["oncall"].messages
    assert "speed" not in message.title + message.body


class Receiver(BaseHTTPRequestHandler):
    """A web server on this machine that keeps what it is posted and answers as it is told."""

    seen: list[tuple[Mapping[str, str], dict[str, Any]]]
    answer = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((dict(self.headers), json.loads(body)))
        self.send_response(type(self).answer)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    kind = type("OwnReceiver", (Receiver,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()
    thread.join()


def test_apprise_posts_to_a_real_server_and_its_refusal_names_no_address(receiver: tuple[str, type[Receiver]]) -> None:
    address, kind = receiver
    settings = config(people=people()).people
    channel = open_channel("oncall", settings, {"ONCALL": f"json://user:{SECRET}@{address}/path"})

    channel.send(Message("title", "body", "key"))
    assert kind.seen[0][1]["title"] == "title"
    kind.answer = 503
    with pytest.raises(ChannelError) as refused:
        channel.send(Message("title", "body", "key"))

    assert str(refused.value) == "it answered 503."
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [({}, "environment variable ONCALL is not set"), ({"ONCALL": f"no-such-scheme://{SECRET}"}, "none that apprise knows")],
)
def test_a_channel_that_cannot_be_opened_says_why_without_its_address(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ChannelError, match=words) as refused:
        open_channel("oncall", config(people=people()).people, environment)

    assert SECRET not in str(refused.value)


def test_an_owner_without_a_channel_is_reached_by_mail_alone() -> None:
    settings = config(people=people()).people

    with pytest.raises(ChannelError, match="SPARK_MONITOR_MAIL_URL is not set"):
        open_channel("data-platform", settings, {})
    assert open_channel("data-platform", settings, {"SPARK_MONITOR_MAIL_URL": "mailto://me:pass@mail.example.org"})


def test_the_digest_comes_once_a_week_by_itself() -> None:
    book, inbox = Book(), Inbox()
    monitor = config(people=people(digest={"every": "1 week", "to": ["team"]}))

    def sent(at: datetime) -> int:
        return send_digest(example, monitor, book, book, as_of=at, run_id="r", open_named=lambda _: inbox)

    assert [sent(NOW + timedelta(days=days)) for days in (0, 1, 5, 6, 7, 20)] == [1, 0, 0, 1, 0, 1]
    assert inbox.messages[0].title == "flights_delay, 2013-12-02 to 2013-12-09: 0 new incidents, 1 open"
    assert [row["event"] for row in book.rows.values()] == ["DIGEST"] * 3


def verdict(number: int, verdict: int) -> dict[str, Any]:
    window = week(number)
    return {
        "model_version": "2",
        "window_start": micros(window.start),
        "window_end": micros(window.end),
        "worst": verdict,
        "value": 0.6,
    }


def test_an_action_is_taken_once_an_episode_and_again_where_it_failed() -> None:
    when = {"metric": "roc_auc_score", "verdict": "FAIL", "for": "2 of 3"}
    monitor = config(people=people(actions=[{"when": when, "do": {"webhook": {"url_env": "RETRAIN"}}}]))
    done: list[DueAction] = []

    def run(verdicts: Sequence[int], book: Book, *, down: bool = False) -> int:
        book.checks = [verdict(number, found) for number, found in enumerate(verdicts)]

        def do(due: DueAction, _: MonitorConfig) -> None:
            if down:
                raise ConnectionError(SECRET)
            done.append(due)

        return act(lambda: example().open, monitor, book, book, as_of=NOW, run_id="r", do=do)

    book = Book()
    assert run([2, 0], book) == 0
    assert run([2, 0, 0], book, down=True) == 0
    assert SECRET not in str(book.rows)
    assert run([2, 0, 0], book) == 1
    assert run([2, 0, 0, 0], book) == 0
    assert run([2, 0, 0, 0, 2, 2, 2], book) == 0
    assert run([2, 0, 0, 0, 2, 2, 2, 0, 0], book) == 1
    assert [row["event"] for row in book.rows.values()] == ["ACTION"] * 2


def test_an_episode_needs_m_of_the_last_n_windows() -> None:
    from spark_monitor.config.people import ConditionConfig

    when = ConditionConfig.model_validate({"metric": "roc_auc_score", "verdict": "WARN", "for": "2 of 2"})

    def rows(*verdicts: str) -> list[tuple[Window, str, float | None]]:
        return [(week(number), found, None) for number, found in enumerate(verdicts)]

    assert under_way(rows("WARN", "PASS", "WARN"), when, None) is None
    found = under_way(rows("PASS", "WARN", "FAIL", "WARN"), when, None)
    assert found is not None
    assert found.began == week(2).start.isoformat()


def test_a_webhook_carries_its_key(receiver: tuple[str, type[Receiver]], monkeypatch: pytest.MonkeyPatch) -> None:
    address, kind = receiver
    monkeypatch.setenv("RETRAIN", f"http://{address}/retrain?token={SECRET}")
    actions = [{"when": {"metric": "roc_auc_score"}, "do": {"webhook": {"url_env": "RETRAIN"}}}]
    monitor, book = config(people=people(actions=actions)), Book([verdict(0, 0)])

    facts: Facts = example()
    with logged() as lines:
        assert act(lambda: facts.open, monitor, book, book, as_of=NOW, run_id="r") == 1

    [(headers, body)] = kind.seen
    [key] = book.rows
    assert headers["Idempotency-Key"] == body["key"] == key
    assert body["monitor"] == "flights_delay"
    assert SECRET not in str(book.rows) + str(lines)


def test_what_waits_for_a_channel_that_the_file_no_longer_has_is_left_alone(
    inboxes: dict[str, Inbox], caplog: pytest.LogCaptureFixture
) -> None:
    book, many = Book(), [incident(f"i{place}", owner=None) for place in range(30)]
    inboxes["oncall"].down = True
    told(many, book, inboxes)
    renamed = config(people=people(channels={"pager": {"url_env": "P"}, "team": {"url_env": "T"}}, routes=[{"to": "pager"}]))
    caplog.clear()

    told(many, book, {"pager": Inbox()}, monitor=renamed)

    assert not caplog.records
    assert {row["status"] for row in book.rows.values() if row["channel"] == "pager"} == {"SENT"}


def test_a_message_longer_than_a_service_takes_goes_in_parts() -> None:
    from spark_monitor.outputs.alerts.kinds.apprise_service import AppriseChannel

    def modes(address: str) -> list[str]:
        return [service.overflow_mode for service in AppriseChannel(address)._service]

    assert modes("json://127.0.0.1:1/") == ["split"]
    assert modes("json://127.0.0.1:1/?overflow=truncate") == ["truncate"]


def test_a_command_is_run_once_for_each_open_incident_and_again_where_it_failed(tmp_path: Path) -> None:
    seen, program = tmp_path / "seen", tmp_path / "program.py"
    program.write_text(
        "import sys\nline = sys.stdin.read()\nopen(sys.argv[1], 'a').write(line + chr(10))\nsys.exit('b' in sys.argv[2:])\n"
    )
    rows, book = [incident("a", kind="missing"), incident("c", title="; rm -rf / $(id)")], Book()

    def run(*arguments: str, preview: list[str] | None = None) -> int:
        command = (sys.executable, str(program), str(seen), *arguments)
        about: dict[str, Any] = {"as_of": NOW, "run_id": "r", "preview": preview, "command": command}
        return act(lambda: rows, config(people={}), book, book, **about)

    looked: list[str] = []
    assert run(preview=looked) == 0
    assert looked == [
        f"would act: command {Path(sys.executable).name} because of version 2, {row.kind} since 2013-09-09" for row in rows
    ]
    assert not seen.exists()
    assert [run(), run()] == [2, 0]
    told = [json.loads(line) for line in seen.read_text().splitlines()]
    assert [one["began"] for one in told] == ["a", "c"]
    assert {one["key"] for one in told} == set(book.rows)
    assert {row["event"] for row in book.rows.values()} == {"ACTION"}

    assert [run("b"), run("b")] == [0, 0]
    failed = [row for row in book.rows.values() if row["status"] == "FAILED"]
    assert [(row["attempts"], row["error"]) for row in failed] == [(2, "it ended with exit code 1.")] * 2


def test_a_program_that_is_not_there_fails_no_run() -> None:
    book = Book()

    taken = act(lambda: [incident()], config(people={}), book, book, as_of=NOW, run_id="r", command=("no-such-program",))

    assert taken == 0
    assert [row["error"] for row in book.rows.values()] == ["FileNotFoundError."]


def test_an_owner_gets_mail_through_a_real_server() -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Message as Handler

    received: list[Any] = []

    class Keep(Handler):
        def handle_message(self, message: Any) -> None:
            received.append(message)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(Keep(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        environment = {"SPARK_MONITOR_MAIL_URL": f"mailto://127.0.0.1:{port}?from=monitor@example.org&mode=insecure"}
        channel = open_channel("data-platform", config(people=people()).people, environment)
        channel.send(Message("subject line", "body", "key"))
        channel.send(Message("a digest", "body", "key", html="<p><b>bold</b></p>"))
    finally:
        server.stop()

    assert [message["X-RcptTo"] for message in received] == ["dp@example.org"] * 2
    assert received[0]["Subject"] == "subject line"
    assert "<b>bold</b>" in received[1].as_string()


def drawn_incident(column: str, **changes: Any) -> IncidentRow:
    windows = [Window(NOW + timedelta(weeks=place), NOW + timedelta(weeks=place + 1)) for place in range(6)]
    points = tuple(
        Judged("2", window, place / 10, place / 10 - 0.05, place / 10 + 0.05, "FAIL" if place > 2 else "PASS", "at most 0.25")
        for place, window in enumerate(windows)
    )
    return incident(column=column, metric="ks", series=points, **changes)


def test_a_message_carries_the_picture_of_its_series(inboxes: dict[str, Inbox], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(inboxes["oncall"], "send", lambda message: seen.extend(path.read_bytes() for path in message.pictures))
    told([drawn_incident("price in $ or $x^2$ \x1b[31m")], Book(), inboxes)

    [image] = seen
    with PIL.Image.open(io.BytesIO(image)) as picture:
        shown = picture.convert("RGB")
    colours = {colour for _, colour in shown.getcolors(maxcolors=1 << 24) or ()}
    assert (shown.width, shown.height) == (768, 288)
    assert (31, 95, 168) in colours  # the line
    assert (179, 38, 30) in colours  # windows that fail, and the limit


def test_a_picture_is_left_out_where_names_may_not_be_spelled_or_there_is_no_series(inboxes: dict[str, Inbox]) -> None:
    told([drawn_incident("a")], Book(), inboxes, monitor=config(people=people(spelled=False)))
    told([incident("b")], Book(), inboxes)

    assert [message.pictures for message in inboxes["oncall"].messages] == [(), ()]


def test_a_picture_that_cannot_be_drawn_costs_no_message(inboxes: dict[str, Inbox]) -> None:
    broken = drawn_incident("a")
    sick = replace(broken.series[0], value=1e308, lower=-1e308, upper=1.7e308)
    told([replace(broken, series=(sick, replace(broken.series[1], value=-1e308)))], Book(), inboxes)

    assert len(inboxes["oncall"].messages) == 1
