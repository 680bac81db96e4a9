"""Thousands of monitors' files that nobody would write: each loads, or is refused with sentences; nothing else ever happens."""

from __future__ import annotations

import copy
import itertools
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from example_facts import pictured, week
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_monitor.config.file import read_yaml
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.insight.assemble import assembled
from spark_monitor.outputs.alerts.message import message_of
from spark_monitor.outputs.digest.digest import digest_html, digest_markdown, digest_of
from spark_monitor.outputs.mlflow.markdown import block
from spark_monitor.outputs.report.page import report_html
from spark_monitor.outputs.terminal.summary import summary
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.stages.context import schedule_of
from spark_monitor.windowing.cron import due_times

PROJECT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2024, 2, 6, 12, tzinfo=UTC)
VALID = [(PROJECT / name).read_bytes() for name in ("conf/reference.yaml", "conf/flights.yaml")]
LEAST = {
    "monitor": "small",
    "model": {"name": "small", "task": "binary"},
    "predictions": {"table": "t", "id": "id", "time": "at", "score": "p"},
    "outputs": {"path": "out"},
}


def examples_in_docs() -> Iterator[dict[str, Any]]:
    """Every example of YAML in the docs that holds keys of a monitor, with the keys that it needs besides."""
    for page in sorted((PROJECT / "docs").glob("*.md")):
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            content = yaml.safe_load(text)
            if isinstance(content, dict) and set(content) <= set(MonitorConfig.model_fields):
                yield {**LEAST, **content}


CONTENTS = [*(yaml.safe_load(one) for one in VALID), *examples_in_docs()]
FACTS = pictured(columns=2)
SCHEMA = MonitorConfig.model_json_schema()
JARGON = re.compile(r"Traceback|validation error|Input should|pydantic|type=|<class|object at 0x|KeyError|TypeError")
NOW_AND_THEN = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
TEN_THOUSAND = settings(deadline=None, max_examples=10_000, suppress_health_check=list(HealthCheck))

ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        10**40,
        "",
        " ",
        "\x00",
        "'",
        '"',
        "`",
        "a`b",
        "a.b.c",
    ),
    *(
        "*",
        "1 day",
        "0 days",
        "99999999999 years",
        "-1 week",
        "UTC",
        "Mars/Base",
        "> 0.1",
        "< nan",
        "> ",
        "1e999",
        "2 of 3",
        "9 of 1",
    ),
    *(
        "sum(a)",
        "sum(",
        "a > (SELECT 1)",
        "a -- b",
        "avg(" * 50,
        "(" * 400,
        "${HOME}",
        "{{x}}",
        "[",
        "x" * 5000,
        "größe 温度 \U0001f600",
    ),
    *("2024-01-01", "22:00-07:00", "0 6 * * *", "s3://k:s@b/p", "sqlite:///x", "ks", "psi", "nothing", "true", "null", "=", "<<"),
    *([], {}, [[]], [None], [{}], {"a": {}}, {"": 1}, {1: 2}, {None: None}, [1, "a", None], ["a", "a"], [["a"], ["a", "b"]]),
]
scalars = st.one_of(st.sampled_from(ODD), st.integers(), st.floats(), st.text(max_size=20), st.booleans(), st.dates())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def places(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a file."""
    found = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in found:
        yield (*before, key)
        yield from places(value, (*before, key))


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A valid file's content with some values replaced, removed, exchanged or under other keys."""
    content = copy.deepcopy(draw(st.sampled_from(CONTENTS)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(content))))
        inner = content
        for key in path[:-1]:
            inner = inner[key]
        change = draw(st.sampled_from(("replace", "remove", "rename", "exchange", "wrap")))
        if change == "replace":
            inner[path[-1]] = draw(values)
        elif change == "remove":
            del inner[path[-1]]
        elif change == "wrap":
            inner[path[-1]] = [inner[path[-1]]]
        elif change == "exchange":
            other = draw(st.sampled_from(CONTENTS))
            for key in draw(st.sampled_from(list(places(other)))):
                other = other[key]
            inner[path[-1]] = copy.deepcopy(other)
        elif isinstance(inner, dict):
            inner[draw(st.sampled_from([*ODD[:10], "tabel", "x"]))] = inner.pop(path[-1])
        if not list(places(content)):
            break
    return content


@st.composite
def of_schema(draw: st.DrawFn, schema: dict[str, Any], depth: int = 0) -> Any:
    """A value of a JSON schema, and now and then one that is not."""
    if draw(st.integers(0, 25)) == 0:
        return draw(values)
    if "$ref" in schema:
        return draw(of_schema(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], depth + 1))
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return draw(of_schema(draw(st.sampled_from(options)), depth + 1))
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum") or [schema["const"]]))
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        required = schema.get("required", ())
        names = [name for name in schema["properties"] if name in required or draw(st.integers(0, 2 + depth)) == 0]
        return {name: draw(of_schema(schema["properties"][name], depth + 1)) for name in names}
    if kind == "object":
        inner = schema.get("additionalProperties")
        named = draw(st.lists(st.sampled_from(["a", "b", "wind speed"]), max_size=2, unique=True))
        return {name: draw(of_schema(inner if isinstance(inner, dict) else {}, depth + 1)) for name in named}
    if kind == "array":
        return [draw(of_schema(schema.get("items", {}), depth + 1)) for _ in range(draw(st.integers(0, 2)))]
    plain = {"string": st.sampled_from(["a", "b", "c", *(one for one in ODD if isinstance(one, str))]), "boolean": st.booleans()}
    numbers = {"integer": st.integers(-2, 400), "number": st.floats(-1, 2)}
    return draw({**plain, **numbers}.get(str(kind), values))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with some of its bytes changed, removed, doubled or cut off."""
    found = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(found) - 1, 0)))
        length = draw(st.integers(1, 40))
        change = draw(st.sampled_from(("set", "insert", "remove", "double", "cut")))
        if change == "set" and found:
            found[place] = draw(st.integers(0, 255))
        elif change == "insert":
            found[place:place] = draw(
                st.one_of(st.binary(max_size=6), st.sampled_from([b"\n", b": ", b"- ", b"&a ", b"*a", b"!!python/name:os "]))
            )
        elif change == "remove":
            del found[place : place + length]
        elif change == "double":
            found[place:place] = found[place : place + length]
        elif draw(st.integers(0, 5)) == 0:
            del found[place:]
    return bytes(found)


def outcome(file: Path, written: bytes) -> str:
    """Whether a file was loaded or refused; anything else is raised."""
    file.write_bytes(written)
    config, error = loaded(file)
    if config is not None:
        assert re.fullmatch("[0-9a-f]{64}", config.config_hash())
        json.dumps(config.public_dict())
        used(config)
        return "loaded"
    lines = str(error).splitlines()
    assert lines
    written_in_file = written.decode("utf-8", errors="replace")  # a message names what it found, be it a library's word
    assert not [word for word in JARGON.findall(str(error)) if word not in written_in_file], str(error)
    assert lines[0].startswith(("fuzzed.yaml: ", str(file))), lines[0]
    assert lines[-1].endswith((".", "?", "!")), lines[-1]
    assert len(str(error)) < 20_000
    return "refused"


def loaded(file: Path) -> tuple[MonitorConfig | None, ConfigError | None]:
    try:
        return load_config(file), None
    except ConfigError as error:
        return None, error


def used(config: MonitorConfig) -> None:
    """A loaded file where it is asked without Spark: windows, schedule and rules, and everything that is shown or sent."""
    assert len(list(itertools.islice(schedule_of(config).closed(AS_OF - timedelta(days=40), AS_OF), 2_000))) < 2_000
    book = Rulebook.of(config.rules)
    for rule, column in itertools.product(config.rules, ("a", ":table")):
        book.rule_for(rule.metric, column, baseline=rule.baseline, slice_key="x", version="v", class_name="c")
    if config.pipelines is not None and config.pipelines.runs is not None and config.pipelines.runs.schedule is not None:
        list(itertools.islice(due_times(config.pipelines.runs.schedule, config.windows.zone, AS_OF), 3))
    facts = assembled(FACTS, config)
    for incident in facts.open:
        assert message_of(incident, "OPENED", "key", monitor=config.monitor, people=config.people, file="f.yaml").title
    digest = digest_of([facts], week(0).start, week(40).start)
    pages = (report_html(facts, config, file="f.yaml"), digest_html(digest), digest_markdown(digest))
    assert all((*pages, summary(facts, config, everything=True), block(facts.versions[0], facts)))


def as_yaml(content: Any) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", errors="surrogatepass")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed") / "fuzzed.yaml"


files = st.one_of(changed().map(as_yaml), of_schema(SCHEMA).map(as_yaml), damaged())


@NOW_AND_THEN
@given(written=files)
def test_a_file_that_nobody_would_write_is_loaded_or_refused_with_a_sentence(written: bytes, file: Path) -> None:
    outcome(file, written)


def anchored(levels: int, first: str, following: str) -> str:
    """Each line says the one before it nine times."""
    lines = [f"a0: &a0 {first}"]
    return "\n".join([*lines, *(f"a{n}: &a{n} {following.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, levels))])


LARGE = {
    "aliases of aliases": anchored(30, "[x]", "[{}]"),
    "merges of merges": anchored(12, "{b: 1, c: 2}", "{{<<: [{}]}}"),
    "a list in itself": "rules: &r [*r]",
    "a key in itself": "? &k [*k]\n: 1",
    "a deep list": "x: " + "[" * 3_000 + "]" * 3_000,
    "a deep pattern": "quality: {formats: {a: '" + "(" * 5_000 + ")" * 5_000 + "'}}",
    "a great number in a pattern": "quality: {formats: {a: 'a{99999999999999999999}'}}",
    "a long key": "? " + "k" * 200_000 + "\n: 1",
    "a long word": "owner_: " + "k" * 200_000,
    "a long digit": "x: " + "9" * 100_000,
    "many keys": "\n".join(f"k{place}: 1" for place in range(5_000)),
    "half a character": 'weights: "\\ud800x"',
    "half a character in a key": '"\\udfff": 1',
    "nested conditions": "slices: ['" + "NOT " * 3_000 + "a = abs(b)']",
    "a tag": "x: !!python/object/apply:os.system ['true']",
    "no map to merge": "x: {<<: [1, 2]}",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_file_of_any_size_and_depth_is_refused_at_once(name: str, file: Path) -> None:
    before = time.process_time()
    assert outcome(file, (yaml.safe_dump(LEAST) + LARGE[name]).encode()) == "refused"
    assert time.process_time() - before < 15  # some would take the age of the world
    assert str(loaded(file)[1]).encode()


def test_merged_keys_are_those_that_yaml_says(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: [*a, *b], y: 5}\nd: {<<: *b, z: 6}\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "m.yaml") == yaml.safe_load(text)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_of_them(file: Path) -> None:
    found = {"loaded": 0, "refused": 0}

    @TEN_THOUSAND
    @given(written=files)
    def each(written: bytes) -> None:
        found[outcome(file, written)] += 1

    each()
    print(found)
    assert sum(found.values()) >= 10_000
    assert found["loaded"] > 100
