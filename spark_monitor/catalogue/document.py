"""The page about every metric, written from the catalogue: `python -m spark_monitor.catalogue.document > docs/metrics.md`."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Iterator

from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue

FAMILIES = {
    "profile": "Profile (columns of `profile_metrics`)",
    "quality": "Data quality (rows of `metrics`)",
    "drift": "Drift from a reference (`drift_metrics`; what has no column there, `metrics`)",
    "correlation": "Correlation (rows of `metrics`)",
    "model": "Model performance (rows of `model_metrics`)",
    "fairness": "Fairness (rows of `metrics`)",
    "system": "Serving system (rows of `metrics`, dataset `operations`)",
    "pipeline": "Pipelines (rows of `metrics`, dataset `pipelines`)",
    "cost": "Costs (rows of `metrics`, dataset `costs`)",
}
_EXAMPLES = re.compile(r"\n\s*>>> .*", re.DOTALL)


def page(metrics: Iterable[Metric]) -> str:
    """The page as Markdown: a section per family, an entry per metric with its docstring."""
    listed = list(metrics)
    lines = [
        "# Metrics",
        "<!-- Written by `python -m spark_monitor.catalogue.document > docs/metrics.md`; a test fails where the two differ. -->",
        "Every metric that rules, tables, MLflow and reports know, as its own file describes it. `docs/plugins.md` says how a",
        "package adds another. Each value has an interval, a count and a status; one that is not defined is a row that says why.",
    ]
    for family, title in FAMILIES.items():
        of_family = sorted((metric for metric in listed if metric.family == family), key=lambda metric: metric.name)
        if of_family:
            lines += ["", f"## {title}", *(line for metric in of_family for line in entry(metric))]
    return "\n".join(lines) + "\n"


def entry(metric: Metric) -> Iterator[str]:
    """A metric's heading, what is known of it in one line, and its docstring without the examples."""
    yield ""
    yield f"### `{metric.name}`"
    yield f"*{'; '.join(facts(metric))}.*"
    yield ""
    yield _EXAMPLES.sub("", inspect.cleandoc(metric.compute.__doc__ or "")).rstrip()


def facts(metric: Metric) -> Iterator[str]:
    """Range, direction, unit, tasks and other names.

    >>> ", ".join(facts(catalogue().metrics["percent_null"]))
    '0 to 100, higher is worse, in percent'
    """
    low, high = metric.range
    if math.isfinite(low) or math.isfinite(high):
        yield f"{_end(low)} to {_end(high)}"
    else:
        yield "any number"
    yield {"higher": "higher is worse", "lower": "lower is worse", "both": "neither direction is worse"}[metric.worse]
    if metric.unit is not None:
        yield f"in {metric.unit}"
    if metric.tasks:
        yield f"task {', '.join(metric.tasks)}"
    if metric.aliases:
        yield f"also written {', '.join(metric.aliases)}"


def _end(number: float) -> str:
    return f"{number:g}" if math.isfinite(number) else "any"


if __name__ == "__main__":
    print(page(catalogue().metrics.values()), end="")
