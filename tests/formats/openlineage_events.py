"""Writes ``openlineage.jsonl`` beside it with OpenLineage's own Python client; the test that reads the file says what is in it.

uv run --no-project --with openlineage-python==1.51.0 python tests/formats/openlineage_events.py
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.transport.file import FileConfig, FileTransport

FILE = Path(__file__).parent / "openlineage.jsonl"
PRODUCER = "https://example.org/nightly"
WAREHOUSE = "postgres://warehouse:5432"
START = datetime(2024, 1, 1, 3, tzinfo=UTC)


def number(*parts: int) -> str:
    """A run's id that is the same whenever the file is written."""
    return str(UUID(int=sum(part << (16 * place) for place, part in enumerate(parts))))


def event(state: RunState, at: datetime, name: str, run_id: str, parent: str, rows: int | None = None) -> RunEvent:
    """One event of a step: what it takes, what it writes, and why it failed."""
    takes, writes = {"features": ("raw.flights", "ml.features"), "score": ("ml.features", "ml.predictions")}[name]
    facets = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=parent), job=parent_run.Job(namespace="airflow", name="nightly")
        ),
        "nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime=at.replace(minute=0, second=0).isoformat()),
    }
    if state is RunState.FAIL:
        message = "relation does not exist"
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="SQL")
    statistics = {}
    if rows is not None:
        told = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, size=rows * 80, fileCount=2)
        statistics = {"outputStatistics": told}
    fields = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="id", type="BIGINT")])
    kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AIRFLOW", jobType="TASK")
    return RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=Run(runId=run_id, facets=facets),
        job=Job(namespace="airflow", name=f"nightly.{name}", facets={"jobType": kind}),
        producer=PRODUCER,
        inputs=[InputDataset(namespace=WAREHOUSE, name=takes)],
        outputs=[OutputDataset(namespace=WAREHOUSE, name=writes, facets={"schema": fields}, outputFacets=statistics)],
    )


def nights() -> list[RunEvent]:
    """Three nights: both steps; features fails and is tried again; features fails, so that score does not run."""
    events = []
    for night in range(3):
        at, parent = START + timedelta(days=night), number(night, 1)
        first, second = number(night, 2), number(night, 3)
        events.append(event(RunState.START, at, "features", first, parent))
        failed = night > 0
        over = RunState.FAIL if failed else RunState.COMPLETE
        events.append(event(over, at + timedelta(minutes=20), "features", first, parent, None if failed else 1000))
        if night == 1:
            events.append(event(RunState.START, at + timedelta(minutes=25), "features", second, parent))
            events.append(event(RunState.COMPLETE, at + timedelta(minutes=55), "features", second, parent, 1200))
        if night < 2:
            score, began = number(night, 4), at + timedelta(hours=1)
            events.append(event(RunState.START, began, "score", score, parent))
            events.append(event(RunState.RUNNING, began + timedelta(minutes=2), "score", score, parent))
            events.append(event(RunState.COMPLETE, began + timedelta(minutes=10), "score", score, parent, 500))
    return events


def main() -> None:
    """Write the file anew."""
    FILE.unlink(missing_ok=True)
    client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(FILE), append=True)))
    for one in nights():
        client.emit(one)


if __name__ == "__main__":
    main()
