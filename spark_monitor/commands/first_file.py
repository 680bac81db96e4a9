"""A monitor's first file as text: every key with its meaning beside it, and every guess marked as one. No Spark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spark_monitor.commands.baseline_looks import HALF, BaselineLooks
from spark_monitor.commands.first_rules import proposed_rules
from spark_monitor.commands.label_delays import Answered
from spark_monitor.commands.label_guesses import MOST_CLASSES
from spark_monitor.commands.label_tables import LabelTable
from spark_monitor.commands.quality_guesses import QualityGuess, lines_of
from spark_monitor.commands.roles import Roles
from spark_monitor.commands.seen import Seen
from spark_monitor.commands.yaml_text import flow, scalar
from spark_monitor.text.formatting import in_shell
from spark_monitor.text.words import without_accents

GUESS = "GUESS"
COMMENT_COLUMN = 34
OTHERS_SHOWN = 3


@dataclass(frozen=True)
class FirstFile:
    """What a first file is made of."""

    title: str
    file: str
    monitor: str
    source: tuple[tuple[str, str], ...]
    roles: Roles
    every: str
    baseline: str | None
    outputs: tuple[str, str]
    quality: tuple[QualityGuess, ...] = ()
    baseline_rows: int | None = None
    window_rows: int | None = None
    categories: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    """Of the baseline's rows: how many values a string column has, and which percent of a column is NULL."""

    signed: tuple[str, ...] = ()
    """Numbers of both signs, of many values."""

    infinite: Mapping[str, float] = field(default_factory=dict)
    """Which percent of a column is infinite there."""

    labels: LabelTable | None = None
    """The table that labels are in, where it is another one."""

    own_labels: tuple[str, ...] = ()
    """Where labels are in another table, the prediction table's own columns that are labels all the same: no features."""

    looks: BaselineLooks = field(default_factory=BaselineLooks)
    answered: Answered = field(default_factory=Answered)
    """What the baseline's labels tell."""

    @property
    def seen(self) -> Seen:
        """What the rules are made of."""
        return Seen(
            self.roles,
            self.every,
            has_baseline=self.baseline is not None,
            baseline_rows=self.baseline_rows,
            window_rows=self.window_rows,
            categories={name: self.categories.get(name, MOST_CLASSES) for name in self.roles.strings},
            missing=self.missing,
            quality=self.quality,
            classes=self.answered.classes,
            classes_moved=self.answered.classes_moved,
            error=self.answered.error,
            signed=self.signed,
            infinite=self.infinite,
            looks=self.looks,
        )


def first_file(made: FirstFile) -> str:
    """The text of the file; it loads as it is."""
    sections = [_head(made), _model(made), _predictions(made), _labels(made), _baseline(made), _windows(made)]
    sections += [_columns(made)] if made.roles.codes else []
    sections += [_slices(made), _quality(made), _rules(made), _outputs(made)]
    return "\n".join("\n".join(section) + "\n" for section in sections)


def monitor_id(name: str) -> str:
    """A monitor's id made of a table's name or a path.

    >>> monitor_id("main.demo.Flight-Predictions"), monitor_id("s3://bucket/scores/v1/"), monitor_id("預測")
    ('flight_predictions', 'v1', 'monitor')
    """
    last = re.split(r"[./\\`]+", name.rstrip("/.`\\"))[-1]
    return re.sub(r"[^a-z0-9]+", "_", without_accents(last).lower()).strip("_") or "monitor"


def _head(made: FirstFile) -> Iterator[str]:
    yield f"# A first monitor of {_one_line(made.title)}, written by `spark-monitor init`."
    yield f"# What is marked {GUESS} was guessed from names, types and the first rows: check it. Then:"
    yield f"#   spark-monitor check {in_shell(made.file)}    compares this file with the real tables"
    yield f"#   spark-monitor run {in_shell(made.file)}      does what is due"


def _model(made: FirstFile) -> Iterator[str]:
    yield _line("monitor", made.monitor, "its id in every table that it writes: a-z, 0-9 and _")
    yield "model:"
    yield _line("  name", made.monitor, "the model's name; in MLflow, the registered model's")
    yield _line("  task", made.roles.task, f"{GUESS}; binary | multiclass | regression | none")


def _predictions(made: FirstFile) -> Iterator[str]:
    roles = made.roles
    yield "predictions:"
    yield from (_line(f"  {key}", value, "") for key, value in made.source)
    yield _line(
        "  id", flow(roles.id), _guess(roles, "id", "identifies a prediction: a column, or a list of columns"), quoted=False
    )
    yield _line("  time", roles.time, _guess(roles, "time", "when it was made"))
    yield _either("  model_version", roles.model_version, "its model's version", roles, '{literal: "1"}')
    if roles.task == "none":
        yield "  # No column is named like a prediction or a score: only the data is monitored. Write the file again with"
        yield "  # `init --role prediction=COLUMN --role label=COLUMN` (or score=COLUMN), which adds the rules about the model."
    yield _either("  prediction", roles.prediction, "the predicted class or value", roles, "COLUMN")
    if roles.task == "multiclass":
        yield "  # scores: {CLASS: COLUMN}      # the probability of each class: a column, or an expression such as p[0]"
    else:
        yield _either("  score", roles.score, "the probability of `positive`", roles, "COLUMN")
    if roles.task == "binary":
        yield _line("  positive", roles.positive, f"{GUESS}; the label of the positive class")
        threshold, read = made.looks.threshold, f"{GUESS}, read from the baseline's predictions; "
        meaning = "scores at or above it count as positive"
        yield _line("  threshold", threshold or HALF, f"{read if threshold else ''}{meaning}")
    of_roles = [name for name in (roles.label, roles.label_time) if roles.label is not None and name is not None]
    label = of_roles if made.labels is None else made.own_labels
    left_out = [*label, *(name for name in roles.times if name not in label)]
    if left_out:
        why = " and ".join(
            [
                *["the label is no feature"] * bool(label),
                *["what is another time, is counted up or is one value a window moves with the calendar"] * bool(roles.times),
            ]
        )
        yield f"  features: {{exclude: [{', '.join(map(scalar, left_out))}]}}   # {why}"
    else:
        yield "  # features: {exclude: [COLUMN]}   # watched are all columns without another role"


def _labels(made: FirstFile) -> Iterator[str]:
    roles = made.roles
    if roles.label is None:
        yield "# Labels (ground truth) that arrive after the prediction; model metrics are computed from them."
        labels = [scalar(name) for name in roles.maybe_labels[:OTHERS_SHOWN]]
        if labels:
            yield f"# {GUESS}: {', '.join(labels)} may be it, which neither names nor values tell. If one is, write the file"
            yield "# again with `init --role label=COLUMN`, which adds the rules about the model; or say so here, with this table"
            yield "# or another, and name it under features: {exclude: [...]}, as a label is no feature."
        label = labels[0] if labels else "COLUMN"
        yield "# Where they are in a table of their own, `init --labels TABLE` looks for them there."
        yield f"# labels: {{table: TABLE, id: {flow(roles.id)}, label: {label}, time: COLUMN, horizon: 14 days}}"
        return
    yield "labels:                           # the label (ground truth)"
    if made.labels is not None:
        yield from _label_table(made, made.labels)
        return
    yield from (_line(f"  {key}", value, "") for key, value in made.source)
    yield _line("  id", flow(roles.id), "matches predictions.id", quoted=False)
    yield _line("  label", roles.label, _guess(roles, "label", "the label (ground truth)"))
    if roles.label_time is not None:
        yield _line("  time", roles.label_time, _guess(roles, "label_time", "when the label became known"))
    else:
        yield _line("  time", roles.time, f"{GUESS}; no column says when the label became known")
    yield _horizon(made)


def _label_table(made: FirstFile, table: LabelTable) -> Iterator[str]:
    """Labels of another table: each key with what speaks for it."""
    yield from (_line(f"  {key}", value, "") for key, value in table.source)
    meeting = f"{GUESS}; matches predictions.id: {table.meeting:.0%} of the first labels meet a prediction"
    yield _line("  id", flow(table.id), meeting, quoted=False)
    for key, value, role, meaning, others in (
        ("  label", table.label, "label", "the label (ground truth)", table.maybe_labels),
        ("  time", table.time, "label_time", "when the label became known", table.maybe_times),
    ):
        roles = replace(made.roles, others={role: others})
        yield _line(key, value, _guess(roles, role, meaning))
    yield _horizon(made)


def _horizon(made: FirstFile) -> str:
    horizon, evidence = made.answered.horizon
    return _line("  horizon", horizon, f"how long labels may take; then metrics are FINAL; {evidence}", quoted=False)


def _baseline(made: FirstFile) -> Iterator[str]:
    if made.baseline is None:
        yield "# The reference that windows are compared with: best the period the model was trained on."
        yield '# baseline: {table: TABLE, where: "CONDITION"}'
        return
    yield "baseline:                         # the reference that windows are compared with"
    yield from (_line(f"  {key}", value, "") for key, value in made.source)
    yield _line("  where", made.baseline, f"{GUESS}; best the period the model was trained on")
    if made.roles.label is not None:
        yield _line("  labels", True, "these rows have labels")


def _windows(made: FirstFile) -> Iterator[str]:
    yield "windows:"
    yield _line("  every", made.every, f"{GUESS}; N hours, days, weeks, months, quarters or years", quoted=False)
    yield _line("  zone", "UTC", "whose midnights begin a day: an IANA name such as Europe/Berlin")
    yield _line("  lookback", "30 days", "how far back a run looks for rows that came late", quoted=False)


def _columns(made: FirstFile) -> Iterator[str]:
    yield f"columns:                          # {GUESS}; integers that are names are compared as categories"
    yield from (_line(f"  {scalar(name)}", "categorical", "or numeric") for name in made.roles.codes)


def _slices(made: FirstFile) -> Iterator[str]:
    yield "# Parts of the rows that are monitored separately: a column, a condition in SQL, or columns crossed, such as [a, b]."
    if not made.roles.slices:
        yield "slices: []"
        return
    yield f"slices:                           # {GUESS}; columns with few values"
    yield from (f"  - {scalar(name)}" for name in made.roles.slices)


def _quality(made: FirstFile) -> Iterator[str]:
    if not made.quality:
        yield "# What values must satisfy: formats, ranges, allowed values, unique columns, sentinels."
        yield "# quality: {ranges: {COLUMN: [0, 120]}, allowed: {COLUMN: [a, b]}, unique: [COLUMN], sentinels: [-999]}"
        return
    yield "quality:                          # what values must look like; beside these, the baseline's own"
    yield from lines_of(made.quality, scalar, GUESS)


def _rules(made: FirstFile) -> Iterator[str]:
    yield '# Limits. A number t means "> t"; strings such as "< 0.65" say the side. The most specific rule wins.'
    if made.baseline is not None:
        yield "# {learned: q, at_least: t} is what q of the baseline's own windows stay below, and never less than t."
        yield f"# How many false alarms these rules raise: spark-monitor replay {in_shell(made.file)} --shuffle"
    yield "rules:"
    for line in proposed_rules(made.seen):
        yield f"  - {flow(line.rule)}   # {_one_line(line.evidence)}"


def _outputs(made: FirstFile) -> Iterator[str]:
    key, value = made.outputs
    yield "outputs:"
    meaning = "a schema of the catalog for the results" if key == "schema" else "a directory for the results, a Delta table each"
    yield _line(f"  {key}", value, meaning)
    yield f"  # mlflow: {{tracking_uri: databricks, experiment: {made.monitor}}}   # or sqlite:///mlflow.db, https://..."


def _line(key: str, value: Any, comment: str, *, quoted: bool = True) -> str:
    """A key, its value and, from a column on, what it means."""
    text = f"{key}: {scalar(value) if quoted else value}"
    return f"{text:<{COMMENT_COLUMN - 1}} # {comment}" if comment else text


def _either(key: str, value: str | None, meaning: str, roles: Roles, example: str) -> str:
    """A key that was guessed, or the comment that shows how it would be written."""
    if value is not None:
        return _line(key, value, _guess(roles, key.strip(), meaning))
    return f"  # {key.strip()}: {example:<{COMMENT_COLUMN - len(key) - 5}} # {meaning}"


def _guess(roles: Roles, role: str, meaning: str) -> str:
    if role in roles.given:
        return meaning
    others = [scalar(name) for name in roles.others.get(role, ())[:OTHERS_SHOWN]]
    return f"{GUESS}; {meaning}" + (f" (or {', '.join(others)}?)" if others else "")


def _one_line(text: str) -> str:
    return scalar(text).strip('"')
