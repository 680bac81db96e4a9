"""Rules that can find nothing to judge, as far as a monitor's file alone shows it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.thresholds import Threshold
from spark_monitor.config.vocabulary import METRICS_OF_TASK, RANGES, SCORED_METRICS
from spark_monitor.preflight.columns import Finding
from spark_monitor.rules.rulebook import ANY, NUMERIC_METRICS
from spark_monitor.rules.verdicts import CRAMERS_V

HEADLINES: Final = {"binary": "roc_auc_score", "multiclass": "accuracy_score", "regression": "r2_score"}
"""A metric of each task that a first rule may be about."""


def metric_findings(config: MonitorConfig) -> Iterator[Finding]:
    """Rules whose metric nothing will compute (no labels, another task, no score), or from a baseline that nobody named."""
    task = config.model.task
    for position, rule in enumerate(config.rules):
        where, metric = f"rules[{position}].metric", rule.metric
        if rule.family == "model" and not config.knows_labels:
            yield Finding(where, f"{metric} needs labels, and this monitor has none. Add `labels`, or remove the rule.")
        elif rule.family == "model" and metric not in METRICS_OF_TASK[task]:
            yield Finding(where, f"{metric} is not computed for task {task}: the rule will find no data.", "warning")
        elif metric in SCORED_METRICS and config.predictions.score is None:
            yield Finding(where, f"{metric} needs `predictions.score`: the rule will find no data.", "warning")
        elif rule.family == "drift" and config.baseline is None:
            reason = f"{metric} needs a baseline, and this monitor names none: its first window with rows becomes it"
            yield Finding(where, f"{reason}. Name one with `baseline` where that is not wanted.", "warning")


def unjudged_findings(config: MonitorConfig) -> Iterator[Finding]:
    """Labels that no rule asks for: the model's performance is measured, and never judged.

    ``init`` writes such rules where it finds the label; a label that a person writes in later has none.
    """
    metric = HEADLINES.get(config.model.task)
    judged = any(rule.family in ("model", "fairness") for rule in config.rules)
    if metric is None or not config.knows_labels or not config.rules or judged:
        return
    if metric in SCORED_METRICS and config.predictions.score is None:
        metric = "accuracy_score"
    known = config.baseline is not None and config.baseline.is_labelled
    limit = "{below_baseline: 0.05}" if known else "{history: 8, sigma: 4}"
    step = f"Add one, such as {{metric: {metric}, fail: {limit}, min_count: 300}}, or let `spark-monitor init` write all of them"
    sentence = f"found labels, and no rule about how well the model does. {step}: `--role label=COLUMN` tells it the label."
    yield Finding("rules", sentence, "warning")


def version_findings(config: MonitorConfig) -> Iterator[Finding]:
    """Rules about model versions that no row can have, as far as the file itself says which version rows have."""
    source = config.predictions.model_version
    literal = getattr(source, "literal", None)
    if isinstance(source, str):
        return  # a column, which may hold others later
    for position, rule in enumerate(config.rules):
        if rule.versions and (literal is None or str(literal) not in rule.versions):
            named = ", ".join(f'"{version}"' for version in rule.versions)
            only = "rows have none here" if literal is None else f'every row has "{literal}"'
            step = "Name the column in predictions.model_version" if literal is None else "Name that one"
            sentence = f"found {named}, and {only}: the rule will find no data. {step}, or remove `versions`."
            yield Finding(f"rules[{position}].versions", sentence, "warning")


def kind_findings(rules: Sequence[RuleConfig], numeric: Collection[str], strings: Collection[str]) -> Iterator[Finding]:
    """Rules for numbers about columns of strings: they would find no data for ever.

    >>> [str(finding) for finding in kind_findings([RuleConfig(metric="ks", columns=["tag"], fail=0.1)], ["fare"], ["tag"])]
    ['rules[0].columns: ks is for numbers, and "tag" holds strings: the rule will find no data. Use population_stability_index.']
    """
    for position, rule in enumerate(rules):
        if rule.metric not in NUMERIC_METRICS:
            continue
        instead = "Use population_stability_index" if rule.family == "drift" else "Leave it out"
        end = f": the rule will find no data. {instead}."
        for name in (name for name in rule.columns if rule.columns != ANY and name in strings):
            yield Finding(
                f"rules[{position}].columns", f'{rule.metric} is for numbers, and "{name}" holds strings{end}', "warning"
            )
        if rule.columns == ANY and strings and not numeric:
            yield Finding(
                f"rules[{position}].metric", f"{rule.metric} is for numbers, and every column holds strings{end}", "warning"
            )


def limit_findings(rules: Sequence[RuleConfig]) -> Iterator[Finding]:
    """Limits that no value of their metric can break.

    >>> [str(finding) for finding in limit_findings([RuleConfig(metric="ks", warn=0.1, fail=5)])]
    ['rules[0].fail: ks lies between 0 and 1, so "> 5" can never be broken. Give a limit within.']
    """
    for position, rule in enumerate(rules):
        least, greatest = RANGES.get(rule.metric, (-math.inf, math.inf))
        for name, limit in (("warn", rule.warn), ("fail", rule.fail)):
            if not isinstance(limit, Threshold):
                continue
            if rule.metric == CRAMERS_V and not least <= limit.value <= greatest:
                about = f"{rule.metric} is judged by Cramer's V, which lies between 0 and 1"
                sentence = f'{about}: with "{limit.text()}" nothing can be judged. Give a limit within.'
                yield Finding(f"rules[{position}].{name}", sentence, "warning")
            elif limit.is_out_of_reach(least, greatest):
                about = f'{rule.metric} {_range_text(least, greatest)}, so "{limit.text()}" can never be broken'
                yield Finding(f"rules[{position}].{name}", f"{about}. Give a limit within.", "warning")


def _range_text(least: float, greatest: float) -> str:
    if math.isinf(greatest):
        return f"is never below {least:g}"
    return f"is never above {greatest:g}" if math.isinf(least) else f"lies between {least:g} and {greatest:g}"


def shadowed_findings(rules: Sequence[RuleConfig]) -> Iterator[Finding]:
    """Rules of which a later one that names the same metric and columns leaves nothing.

    >>> twice = [RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="ks", fail=0.2)]
    >>> [str(finding) for finding in shadowed_findings(twice)]
    ['rules[0]: ks of every column is judged by rules[1], which comes later and is as specific. Keep one of the two.']
    """
    last = {(name, *_scope(rule)): position for position, rule in enumerate(rules) for name in _names(rule)}
    for position, rule in enumerate(rules):
        for name in _names(rule):
            later = last[name, *_scope(rule)]
            if later != position:
                about = f"{rule.metric} of {'every column' if name == ANY else name}"
                sentence = f"{about} is judged by rules[{later}], which comes later and is as specific"
                yield Finding(f"rules[{position}]", f"{sentence}. Keep one of the two.", "warning")


def _scope(rule: RuleConfig) -> tuple[object, ...]:
    """What two rules must share so that one leaves nothing of the other."""
    return rule.metric, rule.baseline, rule.slices, tuple(sorted(rule.versions or ())), rule.class_, rule.moves


def _names(rule: RuleConfig) -> Sequence[str]:
    return (ANY,) if rule.columns == ANY else tuple(rule.columns)
