"""Two hundred hostile names and values, through every output: none is executed, and none breaks a page or a message."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from example_facts import config, pictured, week

from spark_monitor.commands.query_result import cell_text
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.explained import explained
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.rows import Cause
from spark_monitor.insight.scope import MOST_HEAT_COLUMNS
from spark_monitor.outputs.alerts.deliveries import Delivery
from spark_monitor.outputs.alerts.message import message_of
from spark_monitor.outputs.alerts.together import Group, message_of_group
from spark_monitor.outputs.digest.digest import digest_html, digest_markdown, digest_of
from spark_monitor.outputs.mlflow.markdown import block
from spark_monitor.outputs.report.page import fleet_html, report_html
from spark_monitor.outputs.terminal.fleet import fleet_summary
from spark_monitor.outputs.terminal.summary import summary

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "${7*7}",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "https://evil.example/path",
    "**bold** _em_ `code` ~~no~~",
    "| a | b |",
    "# heading",
    "<!-- spark_monitor:end -->",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    '=HYPERLINK("http://evil","x")',
    "+cmd|' /C calc'!A0",
    "@everyone @here <!channel> <@U123>",
    "\u202egnp.exe\u2066",
    "\ufeff\u200b\u200fname",
    "a\x00b\r\nInjected: header",
)
WRAPPERS = ("{}", "x{}", "{}y", " {} ", "{}\n{}", '"{}"', "é{}", "{}" + "z" * 300)
CORPUS = [wrapper.replace("{}", payload) for payload in PAYLOADS for wrapper in WRAPPERS]
RUNNING = {"script", "img", "svg", "iframe", "object", "embed", "link", "base", "form", "input"}


class Elements(HTMLParser):
    """The elements and attributes that a browser would make."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(name: str) -> str | None:
    """A runbook: an address on the web is a link on purpose, as it comes from the monitor's file."""
    return None if name.strip().startswith("https://") else name


def hostile(name: str) -> Facts:
    base = pictured(hostile=name, columns=4)
    incidents = [
        replace(row, title=name, diagnosis=name, owner=name, runbook=page_of(name), column=name, slice_key=name, slice_value=name)
        for row in base.incidents
    ]
    return assembled(replace(base, incidents=incidents), config())


def acting(text: str) -> set[str]:
    return {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs")} - {"\n"}


def test_the_corpus_has_two_hundred() -> None:
    assert len(set(CORPUS)) == 200


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_name_acts_in_a_message_a_digest_a_terminal_or_markdown(payload: str) -> None:
    for name in (wrapper.replace("{}", payload) for wrapper in WRAPPERS):
        facts = hostile(name)
        message = message_of(facts.open[0], "OPENED", "key", monitor="m", people=config().people, file="f.yaml")
        digest = digest_of([facts], week(0).start, week(40).start)
        mail, written = digest_html(digest), digest_markdown(digest)

        runbook = message_of(
            replace(facts.open[0], runbook=name), "OPENED", "key", monitor="m", people=config().people, file="f.yaml"
        )
        step = next(line for line in runbook.body.splitlines() if line.startswith("Next step: "))
        assert not set(step) & set("<>`|[]"), step
        assert "@" not in step or "://" in step
        title = message.title
        assert not set(title) & set("@<>`*_|") - set("_"), title
        assert not acting(title + message.body)
        assert not {tag for tag, _ in Elements(mail).found} & RUNNING
        assert not [key for _, attributes in Elements(mail).found for key in attributes if key.startswith("on") or key == "href"]
        assert not acting(mail + written)
        for text in (written, block(facts.versions[0], facts)):
            assert "<" not in re.sub(r"^.*monitor `flights_delay`$", "", text, flags=re.MULTILINE)
            assert re.search(r"(?<!\\)\]\(", text) is None
            assert re.search(r"(?<!\\)!\[", text) is None
            assert "https://evil" not in text
        assert not acting(summary(facts, config(), everything=True))


@pytest.mark.parametrize(
    "payload", [pytest.param(one, id=str(at), marks=pytest.mark.slow if at % 5 else ()) for at, one in enumerate(PAYLOADS)]
)
def test_no_name_acts_in_an_explanation_a_table_a_message_of_several_or_the_page_of_a_fleet(payload: str) -> None:
    for name in (wrapper.replace("{}", payload) for wrapper in WRAPPERS):
        facts = hostile(name)
        row = replace(facts.open[0], causes=(Cause("column", name, 0.5, name), Cause("slice", name)), series=())
        member = Delivery("k", row.incident_id, "oncall", "OPENED", "PENDING", 0, week(0).start, message_id="m")
        people = config().people
        told = message_of_group(
            Group("m", "oncall", (member,)), {row.incident_id: row}, monitor="m", people=people, file="f.yaml"
        )
        explanation = list(explained(row, "f.yaml"))
        fleet = fleet_html([(facts, config(), name), (facts, config(), "g.yaml")])

        assert not set(told.title + told.body) & set("@<>`*|")
        assert not acting(told.title + told.body)
        assert not acting("".join(explanation))
        assert not any("\n" in line for line in explanation)
        assert not acting(cell_text(name) + cell_text({"a": [name]}) + cell_text({"start": name, "end": name}))
        assert [tag for tag, _ in Elements(fleet).found].count("script") == 1
        assert not acting(fleet)
        assert not acting(fleet_summary([(facts, name), (facts, "g.yaml")], everything=True))


def pages() -> Iterator[list[str]]:
    for start in range(0, len(CORPUS), MOST_HEAT_COLUMNS - 2):
        yield CORPUS[start : start + MOST_HEAT_COLUMNS - 2]


@pytest.mark.parametrize("names", list(pages()), ids=range(len(list(pages()))))
def test_no_name_acts_in_the_report(names: list[str]) -> None:
    base = pictured(columns=3)
    facts = assembled(
        replace(
            base,
            heat=[replace(base.heat[place], column=name) for place, name in enumerate(names)],
            distributions=[replace(base.distributions[1], column=name, items=((name, 1),)) for name in names],
            incidents=[
                replace(
                    base.incidents[0],
                    incident_id=name,
                    title=name,
                    diagnosis=name,
                    owner=name,
                    runbook=page_of(name),
                    metric=name,
                )
                for name in names[:40]
            ],
            measures=[replace(base.measures[2], column=name, metric=name, name=name, unit=name) for name in names],
        ),
        config(),
    )

    page = report_html(facts, config(), file=names[0])

    found = Elements(page).found
    assert [tag for tag, _ in found].count("script") == 1
    assert not {tag for tag, _ in found} & {"img", "iframe", "object", "embed", "link", "base", "a"} - {"a"}
    assert not [key for _, attributes in found for key in attributes if key.startswith("on") or key == "autofocus"]
    assert all((attributes.get("href") or "#").startswith("#") for tag, attributes in found if tag == "a")
    assert not acting(page)
    assert "49" not in re.findall(r"<h3>[^<]*</h3>", page)
