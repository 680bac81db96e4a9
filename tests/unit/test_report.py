"""The report: one page that needs nothing and runs nothing, whatever the data are called; and the block of Markdown beside it."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from example_facts import AUC, WEEKS, config, example, pictured, results, week

from spark_monitor.config.people import Role
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.results import Results
from spark_monitor.insight.rows import Cause, CountRow, MeasureRow, ModelRow, RunRow, UndecidedRow, VerdictRow
from spark_monitor.insight.scope import MOST_HEAT_COLUMNS, MOST_INCIDENTS
from spark_monitor.outputs.mlflow.markdown import BEGIN, END, LONGEST_DESCRIPTION, block, escaped, with_block
from spark_monitor.outputs.report.charts import WIDTH, Mark, line_chart, verdict_strip
from spark_monitor.outputs.report.page import fleet_html, report_html
from spark_monitor.outputs.report.sections import measured_charts
from spark_monitor.windowing.windows import Window

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\u202eevil\u2066\x00" + "z" * 5000
HARMLESS_ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "h1",
    "h2",
    "h3",
    "p",
    "a",
    "section",
    "bdi",
    "pre",
}
HARMLESS_ELEMENTS |= {"table", "thead", "tbody", "tr", "th", "td", "small", "span", "figure", "figcaption"}
HARMLESS_ELEMENTS |= {"article", "details", "summary", "div", "ul", "li", "code", "g", "i", "br", "script"}
HARMLESS_ELEMENTS |= {"form", "label", "input", "select", "option", "nav"}
HARMLESS_ELEMENTS |= {"svg", "path", "text", "polyline", "polygon", "circle", "rect"}
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_page() -> str:
    """Every text that data or configuration can put into the page, hostile."""
    base = pictured(hostile=HOSTILE)
    hostile = replace(
        base,
        failing=[replace(row, slice_key=HOSTILE, slice_value=HOSTILE, reason=HOSTILE) for row in base.failing]
        + list(base.failing),
        incidents=[
            replace(
                row,
                title=HOSTILE,
                diagnosis=HOSTILE,
                owner=HOSTILE,
                runbook=HOSTILE,
                slice_key=HOSTILE,
                slice_value=HOSTILE,
                versions=(HOSTILE,),
                causes=(Cause(HOSTILE, HOSTILE, 0.5, HOSTILE),),
                metric=HOSTILE,
                kind=HOSTILE,
            )
            for row in base.incidents
        ],
        undecided=[UndecidedRow("2", "ks", "UNDECIDED", 1, HOSTILE)],
        model=[*base.model, ModelRow("1", week(WEEKS - 1), AUC, None, message=HOSTILE)],
        worst_slices=[replace(row, slice_key=HOSTILE, slice_value=HOSTILE) for row in base.worst_slices],
        shifted_slices=[replace(row, slice_key=HOSTILE, slice_value=HOSTILE) for row in base.shifted_slices],
        measures=[replace(row, metric=HOSTILE, column=HOSTILE, name=HOSTILE, unit=HOSTILE) for row in base.measures],
        measured_series=[replace(row, column=HOSTILE, name=HOSTILE, unit=HOSTILE) for row in base.measured_series],
        distributions=[replace(row, items=((HOSTILE, 3),)) for row in base.distributions],
        counts=[*base.counts, replace(base.counts[0], version=HOSTILE)],
        runs=[RunRow("r", datetime(2013, 12, 10, tzinfo=UTC), "FAILED", error=HOSTILE)],
    )
    named = config(model={"name": HOSTILE, "task": "binary"})
    return report_html(assembled(hostile, named), named, file=HOSTILE)


def test_the_page_says_what_a_person_wants_to_know() -> None:
    text = re.sub(r"\s+", " ", Page(report_html(example(), config())).text)

    for words in (
        "flights_delay: model flights_delay",
        "How well version 2 does FAIL",
        "wind_speed has moved",
        "half of the values left",
        "Owner: data-platform",
        "wind_speed",
        "0.395 to 0.430",
        "2013-09-09",
        "origin = LGA",
        "97.5 %",
        "which holds the threshold 0.1",
        "docs/runbooks/drift.md",
        "mlflow server --backend-store-uri sqlite:///mlflow.db",
    ):
        assert words in text


@pytest.mark.parametrize("page", [report_html(example(), config()), hostile_page()], ids=["example", "hostile"])
def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(page: str) -> None:
    elements = Page(page).elements

    assert {tag for tag, _ in elements} <= HARMLESS_ELEMENTS
    links = [attributes[name] or "" for _, attributes in elements for name in ("href", "src", "action") if name in attributes]
    assert all(link.startswith(("#version-", "#monitor-", "#section-")) for link in links)
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on") or name == "style"]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    hashed = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{hashed}&#39;" in page
    assert len(scripts[0]) < 60 * 1024
    assert "url(" not in page
    assert "@import" not in page


def test_hostile_texts_are_text() -> None:
    page = hostile_page()

    assert page.count("<script") == 1
    assert "<img" not in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "<script>alert(1)</script>" in Page(page).text
    assert len(page) < 1_000_000


def test_the_page_closes_what_it_opens() -> None:
    assert Page(hostile_page()).open == []


def test_the_page_is_made_of_letters_that_can_be_stored() -> None:
    lone = replace(results(), undecided=[UndecidedRow("2", "ks", "UNDECIDED", 1, "\ud800 and \udfff")])

    assert report_html(assembled(lone, config()), config()).encode("utf-8")


def test_the_fleet_names_what_is_wrong_first_and_holds_every_monitor() -> None:
    second = config(monitor="another")
    well = assembled(replace(results(), verdicts=[], incidents=[], open_total=0), second)

    page = fleet_html([(well, second, "b.yaml"), (example(), config(), "a.yaml")])

    text = Page(page).text
    assert text.index("flights_delay") < text.index("another")
    assert page.count("<article") == 2


@pytest.mark.parametrize(
    ("role", "there", "not_there"),
    [
        ("executive", "Cost", "Columns over time"),
        ("engineer", "Serving system", "Columns over time"),
        ("product", "How well version 2", "Serving system"),
        ("data_scientist", "Columns over time", "Serving system"),
    ],
)
def test_a_role_sees_its_sections_alone(role: Role, there: str, not_there: str) -> None:
    text = Page(report_html(assembled(pictured(), config()), config(), role=role)).text

    assert there in text
    assert not_there not in text


def test_system_pipelines_and_cost_are_one_part_of_the_page_that_a_link_leads_to() -> None:
    named = config(operations={"table": "ops.requests", "time": "at"}, costs={"table": "finops.focus", "format": "focus"})
    base = pictured()
    unmeasured = replace(base, measured_series=[row for row in base.measured_series if row.family != "pipeline"])

    page = report_html(assembled(unmeasured, named), named)

    link = re.search(r'<a href="#(section-[0-9a-f]+)">System, pipelines, cost</a>', page)
    assert link is not None
    part = page[page.index(f'<div id="{link[1]}">') :]
    text = Page(part[: part.index('<div id="section-', 1)]).text
    places = [text.index(words) for words in ("System, pipelines, cost", "Serving system", "latency_p99", "Pipelines", "123.4")]
    assert places == sorted(places)
    assert "Not measured: the monitor's file has no section pipelines." in text
    assert [page.count(f">{title}<") for title in ("Serving system", "Pipelines", "Cost")] == [1, 1, 1]


def test_every_link_at_the_top_leads_to_a_part_of_the_page() -> None:
    elements = Page(fleet_html([(example(), config(), "a.yaml"), (example(), config(), "b.yaml")])).elements

    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    links = [attributes["href"] for tag, attributes in elements if tag == "a" and "href" in attributes]
    assert len(links) > 10
    assert {(link or "")[1:] for link in links} <= ids


def test_five_thousand_columns_and_fifty_slices_stay_below_five_mebibytes() -> None:
    wide = pictured(columns=MOST_HEAT_COLUMNS)
    many = replace(
        wide,
        heat=[replace(row, version=version) for version in "12" for row in wide.heat],
        columns=[replace(row, version=version) for version in "12" for row in wide.columns],
        distributions=[replace(row, version=version) for version in "12" for row in wide.distributions],
        incidents=[replace(wide.incidents[0], incident_id=str(place)) for place in range(MOST_INCIDENTS)],
        open_total=5_000,
        failing=[replace(wide.failing[0], column=f"c{place}") for place in range(200)],
        measures=[replace(wide.measures[2], column=f"c{place}") for place in range(400)],
    )

    page = report_html(assembled(many, config()), config())

    assert len(page.encode()) < 5 * 2**20
    assert "and 4950 more" in page


def test_a_dead_feed_is_said_before_anything_else() -> None:
    base = results()
    empty = [CountRow("2", week(WEEKS + place), 0) for place in range(2)]

    text = Page(report_html(assembled(replace(base, counts=[*base.counts, *empty]), config()), config())).text

    assert text.index("No rows since 2013-12-09: 2 windows empty") < text.index("Open incidents")
    assert "Last window with rows 2013-12-02 to 2013-12-09: 5,390 predictions" in text


def test_an_empty_monitor_has_a_page() -> None:
    assert "No window has been monitored yet." in Page(report_html(assembled(Results(counts=[]), config()), config())).text


def line_points(drawing: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(drawing)
    return [[tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()] for line in root.iter("polyline")]  # type: ignore[misc]


def test_a_chart_draws_time_to_the_right_and_values_upwards() -> None:
    [line] = line_points(line_chart([Mark(week(number), float(number)) for number in range(5)], "x"))

    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
    gaps = [later - earlier for (_, later), (_, earlier) in pairwise(line)]
    assert max(gaps) - min(gaps) < 0.2


def test_a_chart_does_not_draw_through_a_window_without_a_value() -> None:
    marks = [Mark(week(number), None if number == 3 else 1.0 + number) for number in range(7) if number != 5]

    drawing = line_chart(marks, "x")

    assert [len(line) for line in line_points(drawing)] == [3]
    assert drawing.count("<circle") == 5


@pytest.mark.parametrize(
    "values", [[0.0], [5.0, 5.0], [-1e308, 1e308], [5e-324, 0.0], [float("nan"), 1.0], [float("inf"), 2.0], [1e308]]
)
def test_a_chart_of_any_numbers_stays_inside_its_frame(values: list[float]) -> None:
    drawing = line_chart([Mark(week(number), value, value, value) for number, value in enumerate(values)], "x")

    places = [float(value) for value in re.findall(r'c[xy]="([^"]+)"', drawing)]
    assert places
    assert all(0 <= place <= WIDTH for place in places)
    ElementTree.fromstring(drawing)


def test_a_chart_without_numbers_is_not_drawn() -> None:
    assert line_chart([Mark(week(0), float("nan"))], "x") == line_chart([], "x") == verdict_strip([]) == ""


def test_the_strip_has_a_cell_per_window_and_says_each_in_words() -> None:
    root = ElementTree.fromstring(verdict_strip([(week(0), "PASS"), (week(1), "FAIL")]))

    assert [cell.attrib["class"] for cell in root] == ["pass", "fail"]
    assert [cell[0].text for cell in root] == ["2013-03-04 to 2013-03-11: PASS", "2013-03-11 to 2013-03-18: FAIL"]


def test_windows_of_one_hour_have_charts() -> None:
    start = datetime(2013, 3, 4, tzinfo=UTC)
    hours = [Window(start.replace(hour=hour), start.replace(hour=hour + 1)) for hour in range(20)]

    assert "2013-03-04 20:00" in line_chart([Mark(hour, 1.0) for hour in hours], "x")


def test_the_worst_verdict_of_a_window_is_the_one_shown() -> None:
    rows = [VerdictRow("2", week(WEEKS - 1), verdict, 1) for verdict in ("PASS", "UNDECIDED", "WARN")]

    facts = assembled(replace(results(), verdicts=rows, incidents=[], open_total=0), config())

    assert facts.versions[0].verdict_series == ((week(WEEKS - 1), "WARN"),)
    assert facts.versions[0].status == "WARN"


def test_the_block_is_replaced_and_the_users_text_kept() -> None:
    once = with_block("Mine.", "first")
    edited = f"{once}\n\nAlso mine."

    assert with_block(once, "first") == once
    assert with_block(edited, "second") == f"Mine.\n\n{BEGIN}\nsecond\n{END}\n\nAlso mine."
    assert with_block(None, "alone") == f"{BEGIN}\nalone\n{END}"


@pytest.mark.parametrize("broken", [f"Mine. {BEGIN} half", f"Mine. {END} half", f"{END} Mine. {BEGIN}"])
def test_half_a_block_does_not_swallow_the_users_text(broken: str) -> None:
    repaired = with_block(broken, "new")

    assert "Mine." in repaired
    assert repaired.count(BEGIN) == repaired.count(END) == 1
    assert with_block(repaired, "new") == repaired


@pytest.mark.parametrize("length", [0, 4000, 4900, 4990, 5000, 6000])
def test_a_description_never_outgrows_mlflows_column_by_the_block(length: int) -> None:
    mine = "m" * length

    written = with_block(mine, "\n".join(["line"] * 400))

    assert written.startswith(mine)
    assert len(written) <= max(LONGEST_DESCRIPTION, length)


def test_hostile_texts_cannot_close_the_block_or_bring_html_into_it() -> None:
    hostile = f"{END}<img src=x> **bold** [click](javascript:alert(1)) | https://evil.example"
    content = block(example(hostile=hostile).versions[0], example(hostile=hostile))

    assert END not in content
    assert "<img" not in content
    assert "](javascript" not in content
    assert re.search(r"(?<!\\)\*\*bold", content) is None
    assert "https://evil" not in content
    assert re.search(r"(?<!\\)\|", content) is None


def test_a_runbook_on_the_web_is_a_link() -> None:
    linked = replace(results(), incidents=[replace(results().incidents[0], runbook="https://wiki.example.org/a_(b)?c=d")])
    facts = assembled(linked, config())

    assert "](https://wiki.example.org/a_%28b%29?c=d)" in block(facts.versions[0], facts)


def test_plain_names_stay_readable() -> None:
    assert escaped("wind speed") == "wind speed"
    assert escaped("a & b") == "a &amp; b"


def test_series_that_never_change_or_say_the_same_twice_are_left_to_the_table() -> None:
    def rows(metric: str, values: Sequence[float], version: str | None = None) -> list[MeasureRow]:
        return [
            MeasureRow(version, week(place), "operations", "system", metric, value, status="OK")
            for place, value in enumerate(values)
        ]

    series = (
        *rows("requests", [5.0, 7.0, 6.0]),
        *rows("requests", [5.0, 7.0, 6.0], "1"),
        *rows("requests", [1.0, 2.0, 3.0], "2"),
        *rows("active_hosts", [4.0, 4.0, 4.0]),
        *rows("failure_rate", [0.1, 0.2]),
    )
    charts = measured_charts(replace(example(), measured_series=series))["system"]

    assert [caption for caption, _ in charts] == ["requests", "requests, version 2"]


def test_an_incident_of_what_has_no_version_names_none() -> None:
    facts = example()
    of_service = replace(facts.open[0], versions=(None,), dataset="operations", column="serving")
    page = report_html(replace(facts, open=(of_service,), resolved=()), config())
    assert "no version" not in page
    assert re.search(r"\d checks?(</p>|;)", page)
