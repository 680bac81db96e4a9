"""The tables of judgement and record: checks, incidents, frozen baselines, and the ledger of runs."""

from __future__ import annotations

from typing import Final

from pyspark.sql.types import BooleanType

from spark_monitor.store.described import COUNT, NUMBER, TEXT, TIMESTAMP, WHOLE, Table, column, list_of, map_of, struct
from spark_monitor.store.shared_columns import (
    AS_OF,
    CHECKSUM,
    COLUMN_NAME,
    CUT,
    CUT_KEY,
    EDGES,
    GRANULARITY,
    MESSAGE,
    MODEL_VERSION,
    MONITOR,
    OWNER,
    RUN_ID,
    RUNBOOK,
    SEVERITY,
    SLICE_KEY,
    SLICE_VALUE,
    STATUS,
)
from spark_monitor.store.state_columns import STATE_FIELDS

CHECK_ID = column("check_id", TEXT, "stable hash of metric, column, class, version, slice and granularity: the same every window")
METRIC = column("metric", TEXT, "the metric the rule is about")

CHECKS: Final = Table(
    "checks",
    "rule x window x granularity x model_version x slice x column",
    (*CUT_KEY, "column_name", "check_id"),
    (
        *CUT,
        COLUMN_NAME,
        CHECK_ID,
        column("dataset", TEXT, "predictions, operations, pipelines or costs"),
        column("family", TEXT, "what the metric belongs to: profile, drift, model, quality, fairness, custom, system, ..."),
        METRIC,
        column("class", TEXT, "the class a metric is about; NULL: all"),
        column(
            "baseline_name", TEXT, "what was compared with, under `baselines`, or consecutive; NULL: the baseline, or nothing"
        ),
        column("basis", TEXT, "REALISED (from labels) or ESTIMATED (before they come); NULL: neither"),
        column("value", NUMBER, "the metric's value"),
        column("lower", NUMBER, "lower end of its interval"),
        column("upper", NUMBER, "upper end of its interval"),
        column("expected", TEXT, "what the rule allows: the numbers that the value was held against, and where they come from"),
        column("verdict", TEXT, "PASS, WARN, FAIL, UNDECIDED (the interval holds the threshold), NO_DATA or ERROR"),
        column(
            "broken",
            BooleanType(),
            "whether this window's number breaks the fail limit, whatever `for` asks of the windows before",
        ),
        SEVERITY,
        column("reason", TEXT, "the verdict in one sentence"),
        OWNER,
        RUNBOOK,
        column(
            "incident_id",
            TEXT,
            "the incident that a failing check belongs to; NULL: none, or one of more than 20 in its window and slice key",
        ),
        AS_OF,
        RUN_ID,
    ),
)

MEMBER = struct(
    CHECK_ID,
    METRIC,
    COLUMN_NAME,
    SLICE_KEY,
    SLICE_VALUE,
    MODEL_VERSION,
)
CAUSE = struct(
    column("kind", TEXT, "what the cause is: column, slice, mix, shift, concept, version"),
    column("what", TEXT, "the column, slice or version"),
    column(
        "share",
        NUMBER,
        "its fraction of the whole; all of them add up to 1; NULL where it is not known or others divide the whole",
    ),
    column("sentence", TEXT, "the cause in one sentence, with its numbers"),
)

INCIDENTS: Final = Table(
    "incidents",
    "problem, from the first window that shows it to the one where it was resolved",
    ("monitor_id", "incident_id"),
    (
        MONITOR,
        column("incident_id", TEXT, "stable hash of the monitor, the subject and the timestamp it opened"),
        column(
            "kind", TEXT, "what it is: unit_change, missing, stuck, drift, performance, ...; docs/runbooks has a page for each"
        ),
        column("title", TEXT, "what, and where, in a few words"),
        column("diagnosis", TEXT, "what, where, since when, how much, and what that means, in one sentence"),
        column("dataset", TEXT, "predictions, operations, pipelines or costs"),
        column("column_name", TEXT, "the column, endpoint, step or service; NULL where it is about several or none"),
        SLICE_KEY,
        SLICE_VALUE,
        column("model_versions", list_of(TEXT), "the model versions in which checks failed"),
        column("first_window", EDGES, "the first window that failed, or that could not be decided but showed it already"),
        column("last_window", EDGES, "the last window that failed"),
        column("opened", TIMESTAMP, "start of that window"),
        column("last_seen", TIMESTAMP, "end of the last window that failed"),
        column(
            "resolved",
            TIMESTAMP,
            "end of the window in which it had been well, or could not be judged, for long enough; NULL: not yet",
        ),
        column("occurrences", COUNT, "windows that failed"),
        column("checks", COUNT, "checks that failed"),
        column("members", list_of(MEMBER), "the checks that failed, those of all rows first, at most 200"),
        column("causes", list_of(CAUSE), "what it is probably due to, the first cause first"),
        column("severity", TEXT, "the worst severity of its checks: low, medium, high or critical"),
        column("status", TEXT, "OPEN, ACKNOWLEDGED, MUTED or RESOLVED"),
        OWNER,
        column("runbook", TEXT, "what to do: the rule's page, else docs/runbooks/KIND.md"),
        column("acknowledged_by", TEXT, "who has acknowledged it; NULL: nobody"),
        column("muted_until", TIMESTAMP, "until when nobody is notified of it; NULL: it is not muted"),
        column("notified_at", TIMESTAMP, "when somebody was notified; NULL: nobody yet"),
        column("detected", TIMESTAMP, "as-of of the run that found it; NULL: a run of an earlier release"),
        column("undetected_until", TIMESTAMP, "as-of of the last run before that one; NULL: none, or of an earlier release"),
        RUN_ID,
    ),
)

BASELINES: Final = Table(
    "baselines",
    "monitor x version x column, for the whole baseline and for each of its slices",
    ("monitor_id", "baseline_version", "name", "column_name", "slice_key", "slice_value"),
    (
        MONITOR,
        column("baseline_version", WHOLE, "1, 2, ...: a version never changes once its run is committed"),
        column("name", TEXT, "the frozen reference under `baselines`, on the baseline's grids; NULL: the baseline itself"),
        COLUMN_NAME,
        SLICE_KEY,
        SLICE_VALUE,
        column("source", TEXT, "the table or path the baseline was read from, without secrets"),
        column("predicate", TEXT, "which of its rows, as written in the monitor's file, without secrets"),
        column("source_version", TEXT, "version of the source that was read, where it has versions"),
        column("rows", COUNT, "rows of the whole baseline; NULL for its slices"),
        column("created", TIMESTAMP, "as-of of the run that froze it"),
        column("data_type", TEXT, "the column's type as Spark writes it"),
        column("grid", list_of(NUMBER), "edges of the column's grid, strictly increasing; NULL for strings"),
        column("categories", list_of(TEXT), "the column's most frequent strings, which are counted exactly; NULL for numbers"),
        column("grid_id", TEXT, "the grid, or the list of categories, that the cells are of"),
        *STATE_FIELDS,
        column("config", TEXT, "the settings it was frozen with, as JSON without secrets"),
        STATUS,
        MESSAGE,
        RUN_ID,
        CHECKSUM,
    ),
)

RUN_WINDOW = struct(
    GRANULARITY,
    column("start", TIMESTAMP, "first timestamp of the window"),
    column("end", TIMESTAMP, "first timestamp after the window"),
    column("label_fingerprint", COUNT, "changes when the labels of the window change; NULL without labels"),
)

RUNS: Final = Table(
    "runs",
    "run of a monitor",
    ("monitor_id", "run_id"),
    (
        column("run_id", TEXT, "the run"),
        MONITOR,
        AS_OF,
        column(
            "kind",
            TEXT,
            "DUE (whatever is due), BACKFILL (--from and --to), FREEZE, INCIDENT (ack, mute), TELL (messages) or PRUNE",
        ),
        column("started", TIMESTAMP, "when it took its turn, by the clock"),
        column("ended", TIMESTAMP, "when it was over, by the clock; NULL while it is under way"),
        column("windows", list_of(RUN_WINDOW), "the windows it handled"),
        column("reader", TEXT, "how the prediction table was read: spark or files"),
        column("reader_reason", TEXT, "why that reader was chosen"),
        column("source_versions", map_of(TEXT), "version of each source that was read, where it has versions"),
        column("config_hash", TEXT, "SHA-256 of the monitor's configuration"),
        column("config", TEXT, "the configuration as JSON without secrets"),
        column("profile_hash", TEXT, "SHA-256 of what states depend on besides rows; stored states merge where it is the same"),
        column("rows_in", COUNT, "rows read"),
        column("bytes_in", COUNT, "bytes of the files' blocks that were read; NULL where rows came through Spark"),
        column("rows_out", map_of(COUNT), "rows written to each table; a run that found nothing new wrote none"),
        column("bytes_out", map_of(COUNT), "bytes of the files of each table that hold these rows"),
        column("null_time_rows", COUNT, "rows read whose time is NULL: they belong to no window"),
        column("null_id_rows", COUNT, "rows read whose id is NULL: no label can join them"),
        column("null_version_rows", COUNT, "rows read whose model version is NULL"),
        column("step_seconds", map_of(NUMBER), "seconds that each step took"),
        column("package_versions", map_of(TEXT), "versions of Python, Spark and the packages that matter"),
        column("status", TEXT, "RUNNING, COMMITTED, FAILED, NOTHING_NEW or SUPERSEDED (another run did its work)"),
        column("error", TEXT, "why it failed, in one sentence"),
        column("baseline_version", WHOLE, "version of the frozen baseline that it compared with"),
        column("platform_job_id", TEXT, "the platform's job, where there is one"),
        column("platform_run_id", TEXT, "the platform's run of that job"),
        column("published", TEXT, "MLflow: OFF, PENDING or PUBLISHED"),
        column("publish_message", TEXT, "why it could not be published yet"),
        column("heartbeat", TIMESTAMP, "when the run last showed that it lives, by the clock"),
        column("pruned_until", TIMESTAMP, "kind PRUNE: states of windows that ended by then are deleted"),
        column("lease_host", TEXT, "the machine whose process holds the monitor while the run is RUNNING"),
        column("lease_pid", COUNT, "that process's id"),
        column("lease_process", TEXT, "that process's start, which tells it from a later one with the same id"),
    ),
)

DELIVERIES: Final = Table(
    "deliveries",
    "message to one channel, or action: sent, or still to be sent",
    ("monitor_id", "delivery_id"),
    (
        MONITOR,
        column("delivery_id", TEXT, "stable hash of incident, event and channel: a repetition has the same"),
        column("incident_id", TEXT, "the incident that it is about; digest for a digest, action for an action"),
        column("channel", TEXT, "the channel's or the owner's name in the monitor's file, never its address"),
        column("event", TEXT, "OPENED, ESCALATED, RESOLVED, DIGEST or ACTION"),
        column("severity", TEXT, "the incident's severity when it was sent"),
        column("sent", TIMESTAMP, "when the channel took it, by the clock; NULL: it has not"),
        column(
            "status",
            TEXT,
            "SENT, FAILED (the next run tries again), PENDING (put together with others, about to be sent) or DIGEST (beyond the "
            "budget: in the digest alone)",
        ),
        column("attempts", COUNT, "how often it was tried"),
        column("error", TEXT, "why it was not taken, in one sentence without the address"),
        AS_OF,
        RUN_ID,
        column(
            "message_id", TEXT, "key of the message that tells the event together with others; NULL: one of its own, delivery_id"
        ),
    ),
)

LEDGER_TABLES: Final = (CHECKS, INCIDENTS, DELIVERIES, BASELINES, RUNS)
