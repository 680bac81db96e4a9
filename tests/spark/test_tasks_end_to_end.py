"""Multiclass, ranking and regression monitors through Spark, against scikit-learn: weights, ties, absent classes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as oracle

from spark_monitor.api.monitor import Monitor

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START, WEEK = pd.Timestamp("2024-01-01"), pd.Timedelta(days=7)
AS_OF = datetime(2024, 2, 20, tzinfo=UTC)
CLASSES = ["a", "b", "c"]
UNLABELLED = """
monitor: unseen
model: {{name: unseen, task: {task}}}
predictions: {{path: {dir}/predictions, format: parquet, id: id, time: at, model_version: version, {own}}}
baseline: {{path: {dir}/training, format: parquet, label: truth}}
windows: {{every: 1 week, lookback: 90 days}}
slices: [team]
rules: [{{metric: {metric}, warn: "{limit}"}}]
outputs: {{path: {dir}/out}}
"""
HEAD = """
monitor: {name}
model: {{name: {name}, task: {task}}}
predictions:
  {{path: {dir}/predictions, format: parquet, id: id, time: at, model_version: version, {own}}}
labels: {{path: {dir}/labels, format: parquet, id: id, label: truth, time: known, horizon: 3 days}}
windows: {{every: 1 week, lookback: 90 days}}
outputs: {{path: {dir}/out_{name}}}
{more}
"""
Tables = dict[str, pd.DataFrame]


def write(frame: pd.DataFrame, directory: Path) -> None:
    """Predictions in two files, and labels of the rows that have one, a day later."""

    def timestamps(times: pd.Series) -> pa.Array:
        return pa.array(times.to_numpy().astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))

    frame = frame.sample(frac=1, random_state=3)
    own = frame.drop(columns=["truth", "at"])
    table = pa.Table.from_pandas(own, preserve_index=False).append_column("at", timestamps(frame["at"]))
    for name in ("predictions", "labels"):
        (directory / name).mkdir()
    half = table.num_rows // 2
    pq.write_table(table.slice(0, half), directory / "predictions" / "part-0.parquet")
    pq.write_table(table.slice(half), directory / "predictions" / "part-1.parquet")
    known = frame[frame["truth"].notna()]
    labels = pa.table({"id": pa.array(known["id"].to_numpy()), "truth": pa.array(known["truth"].tolist())})
    pq.write_table(
        labels.append_column("known", timestamps(known["at"] + pd.Timedelta(days=1))), directory / "labels" / "p.parquet"
    )


def measured(spark: SparkSession, text: str, directory: Path, name: str) -> Tables:
    path = directory / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    result = Monitor.load(path).run(spark, as_of=AS_OF)
    assert result.status == "COMMITTED"
    found = {}
    for table in ("model_metrics", "metrics", "checks"):
        frame = result.store.committed(table)
        wide = frame.withColumn("start", frame["window.start"].cast("string")).drop("window")
        found[table] = pd.DataFrame([row.asDict(recursive=True) for row in wide.collect()])
    return found


def times(random: np.random.Generator, rows: int, weeks: int) -> pd.Series:
    return START.as_unit("us") + pd.to_timedelta(np.sort(random.uniform(0, weeks * 7 * 86_400, rows)), unit="s").as_unit("us")


def of_window(frame: pd.DataFrame, week: int, version: str) -> pd.DataFrame:
    start = START + week * WEEK
    return frame[(frame["at"] >= start) & (frame["at"] < start + WEEK) & (frame["version"] == version)]


def rows_of(tables: Tables, week: int, version: str, *, basis: str = "REALISED") -> pd.DataFrame:
    model = tables["model_metrics"]
    start = f"{START + week * WEEK:%Y-%m-%d}"
    own = model[(model["start"].str[:10] == start) & (model["model_version"] == version) & model["slice_key"].isna()]
    return own[(own["basis"] == basis) & (own["log_type"] == "INPUT")].set_index(["metric", "class"]).sort_index()


def value(rows: pd.DataFrame, name: str, label: str | None = None) -> pd.Series:
    own = rows.loc[[name]].reset_index()
    own = own[own["class"].isna() if label is None else own["class"] == label]
    assert len(own) == 1, f"{name} {label}: {len(own)} rows"
    return own.iloc[0]


def unlike(rows: pd.DataFrame, wanted: dict[tuple[str, str | None], float]) -> list[str]:
    """Metrics that are not what they should be, or outside their own interval."""
    found = []
    for (name, label), number in wanted.items():
        row = value(rows, name, label)
        slack = (row["value_error"] or 0.0) + 1e-9 * max(1.0, abs(number))
        low, high = row["lower"], row["upper"]
        inside = (pd.isna(low) or low <= number + slack) and (pd.isna(high) or number - slack <= high)
        if not (abs(row["value"] - number) <= slack and inside):
            found.append(f"{name} {label}: {row['value']} [{low}, {high}] +- {row['value_error']}, wanted {number}")
    return found


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_model_that_never_gets_labels_is_estimated_from_its_training_rows(
    spark: SparkSession, tmp_path: Path, task: str
) -> None:
    random = np.random.default_rng(2)
    rows = 8000
    frame = pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, 2), "version": "1"})
    frame["team"] = random.choice(["x", "y"], rows)
    if task == "binary":
        frame["guess"] = np.round(random.beta(1, 2, rows), 3)
        frame["truth"] = (random.random(rows) < frame["guess"]).astype(int)
        own, metric, limit = "score: guess", "roc_auc_score", "< 0.9"
    else:
        # Old ones err more, and there are more of them in the second week.
        frame["age"] = random.uniform(0, 10, rows) + np.where(frame["at"] >= START + WEEK, 4, 0)
        frame["guess"] = random.uniform(0, 10, rows)
        frame["truth"] = frame["guess"] + random.normal(size=rows) * np.where(frame["age"] > 8, 5.0, 1.0)
        own, metric, limit = "prediction: guess", "mean_absolute_error", "> 0.1"
    write(frame.assign(truth=None), tmp_path)
    (tmp_path / "training").mkdir()
    training = frame.sample(frac=0.5, random_state=1).drop(columns=["id", "at", "version"])
    pq.write_table(pa.Table.from_pandas(training, preserve_index=False), tmp_path / "training" / "part-0.parquet")
    text = UNLABELLED.format(task=task, dir=tmp_path, own=own, metric=metric, limit=limit)
    tables = measured(spark, text, tmp_path, "unseen")
    model = tables["model_metrics"]
    assert set(model.loc[model["log_type"] == "INPUT", "basis"]) == {"ESTIMATED"}
    assert set(model.loc[model["log_type"] == "BASELINE", "label_status"]) == {"FINAL"}
    for week in (0, 1):
        hidden = of_window(frame, week, "1")
        row = value(rows_of(tables, week, "1", basis="ESTIMATED"), metric)
        wanted = (oracle.roc_auc_score if task == "binary" else oracle.mean_absolute_error)(hidden["truth"], hidden["guess"])
        assert row["lower"] <= wanted <= row["upper"]
        assert row["label_status"] == "NO_LABELS"
        assert task == "binary" or ("distinguished by" in row["message"] and "age" in row["message"])
    judged = tables["checks"][tables["checks"]["basis"] == "ESTIMATED"]
    assert set(judged["verdict"]) == {"WARN"}


def several_classes(seed: int = 4, rows: int = 6000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, 3)})
    frame["version"] = random.choice(["1", "2"], rows, p=[0.7, 0.3])
    probs = np.round(random.dirichlet([1.5, 1.0, 0.7], rows), 2)
    probs /= probs.sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=row) for row in probs])
    late = (frame["at"] >= START + 2 * WEEK).to_numpy()
    # In the third week the class c is never a label.
    truth[late & (truth == 2)] = 0
    frame["truth"] = np.where(random.random(rows) < 0.05, None, np.array(CLASSES, dtype=object)[truth])
    frame["guess"] = np.array(CLASSES, dtype=object)[probs.argmax(axis=1)]
    frame["probs"] = list(probs)
    for place, name in enumerate(CLASSES):
        frame[f"p_{name}"] = probs[:, place]
    frame["weight"] = random.integers(0, 4, rows) / 2
    frame["team"] = random.choice(["x", "y", "z"], rows)
    return frame


@pytest.mark.parametrize("form", ["array", "columns"])
def test_several_classes_are_scikit_learns(spark: SparkSession, tmp_path: Path, form: str) -> None:
    frame = several_classes()
    write(frame, tmp_path)
    weighted = form == "columns"
    scores = {name: f"probs[{place}]" if form == "array" else f"p_{name}" for place, name in enumerate(CLASSES)}
    own = "prediction: guess, scores: {" + ", ".join(f'{name}: "{sql}"' for name, sql in scores.items()) + "}"
    more = "slices: [team]\nworst_slices: {max: 10}\n" + ("weights: weight\n" if weighted else "")
    where = "at < TIMESTAMP '2024-01-08 00:00:00Z'"
    more += f'baseline: {{path: {tmp_path}/predictions, format: parquet, where: "{where}", labels: true}}'
    text = HEAD.format(name="classes", task="multiclass", dir=tmp_path, own=own, more=more)
    tables = measured(spark, text, tmp_path, "classes")
    for week, version in itertools.product((1, 2), ("1", "2")):
        labelled = of_window(frame, week, version).dropna(subset=["truth"])
        labelled = labelled[labelled["weight"] > 0] if weighted else labelled
        rows = rows_of(tables, week, version)
        assert unlike(rows, wanted_of_classes(labelled, "weight" if weighted else None)) == []
        estimated = rows_of(tables, week, version, basis="ESTIMATED")
        accuracy, realised = value(estimated, "accuracy_score"), value(rows, "accuracy_score")
        assert accuracy["lower"] < accuracy["value"] < accuracy["upper"]
        if week == 1:
            assert accuracy["lower"] - 0.03 < realised["value"] < accuracy["upper"] + 0.03
    model = tables["model_metrics"]
    delays = model[(model["log_type"] == "BASELINE") & (model["metric"] == "label_delay_p50") & model["value"].notna()]
    assert len(delays) == 4
    assert (abs(delays["value"] - 86_400) <= delays["value_error"] + 1e-6).all()
    absent = value(rows_of(tables, 2, "1"), "recall", "c")
    assert (absent["status"], absent["value"] is None or np.isnan(absent["value"])) == ("UNDEFINED", True)
    assert absent["message"]


def wanted_of_classes(rows: pd.DataFrame, weight: str | None) -> dict[tuple[str, str | None], float]:
    truth, guess = rows["truth"].to_numpy(dtype=str), rows["guess"].to_numpy(dtype=str)
    probs = np.stack(rows["probs"].to_numpy())
    used = None if weight is None else rows[weight].to_numpy()
    w = {"sample_weight": used}
    found: dict[tuple[str, str | None], float] = {
        ("accuracy_score", None): oracle.accuracy_score(truth, guess, **w),
        ("log_loss", None): oracle.log_loss(truth, probs, labels=CLASSES, **w),
        ("top_k_accuracy", None): oracle.top_k_accuracy_score(truth, probs, k=2, labels=CLASSES, **w),
        ("f1_score_weighted", None): oracle.f1_score(truth, guess, average="weighted", zero_division=0, **w),
        ("precision_weighted", None): oracle.precision_score(truth, guess, average="weighted", zero_division=0, **w),
        ("recall_weighted", None): oracle.recall_score(truth, guess, average="weighted", zero_division=0, **w),
        ("matthews_corrcoef", None): oracle.matthews_corrcoef(truth, guess, **w),
    }
    present = [name for name in CLASSES if (truth == name).any()]
    for name in CLASSES:
        found["precision", name] = oracle.precision_score(truth, guess, labels=[name], average="macro", zero_division=0, **w)
        if name in present:
            found["recall", name] = oracle.recall_score(truth, guess, labels=[name], average="macro", **w)
    if len(present) == 3:
        found["roc_auc_ovr_macro", None] = float(
            np.mean([oracle.roc_auc_score(truth == name, probs[:, place], **w) for place, name in enumerate(CLASSES)])
        )
        found["f1_score_macro", None] = oracle.f1_score(truth, guess, average="macro", **w)
        found["balanced_accuracy_score", None] = oracle.balanced_accuracy_score(truth, guess, **w)
    return found


def numbers(seed: int = 6, rows: int = 5000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, 2)})
    frame["version"] = random.choice(["1", "2"], rows, p=[0.6, 0.4])
    frame["team"] = random.choice(["x", "y", "z"], rows)
    truth = np.round(20 + 5 * random.normal(size=rows), 1)
    noise = random.normal(size=rows) * np.where(frame["team"] == "z", 4.0, 1.0)
    frame["guess"] = np.round(truth + noise, 1)
    frame["low"], frame["high"] = frame["guess"] - 2, frame["guess"] + 2
    frame["weight"] = random.integers(0, 4, rows) / 2
    frame["truth"] = truth
    frame.loc[random.random(rows) < 0.05, "guess"] = np.nan
    frame.loc[random.random(rows) < 0.05, "truth"] = np.nan
    return frame


def test_numbers_are_scikit_learns_and_the_worst_slice_is_found(spark: SparkSession, tmp_path: Path) -> None:
    frame = numbers()
    write(frame, tmp_path)
    own = "prediction: guess, interval: {lower: low, upper: high}"
    more = "slices: [team]\nweights: weight\nworst_slices: {max: 10}"
    tables = measured(spark, HEAD.format(name="nums", task="regression", dir=tmp_path, own=own, more=more), tmp_path, "nums")
    for week, version in itertools.product((0, 1), ("1", "2")):
        rows = of_window(frame, week, version).dropna(subset=["truth", "guess"])
        rows = rows[rows["weight"] > 0]
        assert unlike(rows_of(tables, week, version), wanted_of_numbers(rows)) == []
    worst = tables["metrics"][tables["metrics"]["metric"] == "worst_slice"]
    assert len(worst) == 4
    assert all("team = z" in message for message in worst["message"])


def wanted_of_numbers(rows: pd.DataFrame) -> dict[tuple[str, str | None], float]:
    truth, guess, used = (rows[name].to_numpy() for name in ("truth", "guess", "weight"))
    w = {"sample_weight": used}
    error = np.abs(guess - truth)

    def quantile(share: float) -> float:
        order = np.argsort(error)
        return float(error[order][np.searchsorted(np.cumsum(used[order]), share * used.sum())])

    squared = oracle.mean_squared_error(truth, guess, **w)
    inside = (truth >= rows["low"]) & (truth <= rows["high"])
    middle = np.average(truth, weights=used)
    return {
        ("mean_error", None): float(np.average(guess - truth, weights=used)),
        ("mean_absolute_error", None): oracle.mean_absolute_error(truth, guess, **w),
        ("mean_squared_error", None): squared,
        ("root_mean_squared_error", None): float(np.sqrt(squared)),
        ("r2_score", None): oracle.r2_score(truth, guess, **w),
        ("mean_absolute_percentage_error", None): oracle.mean_absolute_percentage_error(truth, guess, **w),
        ("symmetric_mape", None): float(np.average(2 * error / (np.abs(truth) + np.abs(guess)), weights=used)),
        ("root_mean_squared_log_error", None): float(np.sqrt(np.average((np.log1p(guess) - np.log1p(truth)) ** 2, weights=used))),
        ("median_absolute_error", None): quantile(0.5),
        ("quantile_error_90", None): quantile(0.9),
        ("interval_coverage", None): float(np.average(inside, weights=used)),
        ("root_mean_squared_error_constant", None): float(np.sqrt(np.average((truth - middle) ** 2, weights=used))),
    }


def queries(graded: bool, seed: int = 8, rows: int = 4000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.arange(rows)})
    query = random.integers(0, 400, rows)
    frame["query"] = [None if one == 399 else f"q{one}" for one in query]
    # All answers to a query are given within one window and by one version.
    frame["at"] = START.as_unit("us") + pd.to_timedelta(
        (query % 2) * 7 * 86_400 + random.integers(0, 86_400, rows), unit="s"
    ).as_unit("us")
    frame["version"] = np.where(query % 3 == 0, "2", "1")
    relevance = random.choice(4, rows, p=[0.7, 0.15, 0.1, 0.05])
    frame["score"] = np.round(1 / (1 + np.exp(-(relevance + random.normal(size=rows)))), 1 if graded else 4)
    frame["truth"] = relevance.astype(float) if graded else np.where(relevance > 0, "yes", "no")
    frame.loc[random.random(rows) < 0.03, "score"] = np.nan
    frame.loc[random.random(rows) < 0.03, "truth"] = None
    return frame


@pytest.mark.parametrize("graded", [True, False], ids=["graded", "yes or no"])
def test_ranked_groups_are_as_defined(spark: SparkSession, tmp_path: Path, graded: bool) -> None:
    frame = queries(graded)
    write(frame, tmp_path)
    own = "prediction: score" if graded else 'score: score, positive: "yes"'
    task = "regression" if graded else "binary"
    text = HEAD.format(name="ranks", task=task, dir=tmp_path, own=own, more="groups: {column: query, k: 5}")
    tables = measured(spark, text, tmp_path, "ranks")
    for week, version in itertools.product((0, 1), ("1", "2")):
        rows = of_window(frame, week, version).dropna(subset=["truth", "score", "query"])
        wanted, groups = ranked(rows, graded, 5)
        found = rows_of(tables, week, version)
        assert unlike(found, wanted) == []
        assert value(found, "mrr")["count"] == groups


def ranked(rows: pd.DataFrame, graded: bool, k: int) -> tuple[dict[tuple[str, str | None], float], int]:
    """By definition, equal scores in the worst and in the best order; the middle of both is what is stated."""
    gains: list[float] = []
    others: dict[str, list[float]] = {"map_at_k": [], "mrr": [], "hit_rate_at_k": []}
    for _, group in rows.groupby("query"):
        relevance = group["truth"].to_numpy(dtype=float) if graded else (group["truth"] == "yes").to_numpy(dtype=float)
        score = group["score"].to_numpy(dtype=float)
        if not (relevance > 0).any():
            continue
        gains.append(oracle.ndcg_score([relevance], [score], k=k) if relevance.size > 1 else 1.0)
        orders: list[Callable[[int], tuple[float, bool]]] = [
            lambda place, r=relevance, s=score: (-s[place], r[place] > 0),
            lambda place, r=relevance, s=score: (-s[place], not r[place] > 0),
        ]
        found = [by_definition(relevance[sorted(range(relevance.size), key=order)] > 0, k) for order in orders]
        for name in others:
            others[name].append((found[0][name] + found[1][name]) / 2)
    wanted = {("ndcg_at_k", None): float(np.mean(gains))}
    return {**wanted, **{(name, None): float(np.mean(numbers)) for name, numbers in others.items()}}, len(gains)


def by_definition(relevant: np.ndarray, k: int) -> dict[str, float]:
    precisions = [relevant[: place + 1].mean() for place in range(min(k, relevant.size)) if relevant[place]]
    first = int(np.argmax(relevant)) + 1
    return {"map_at_k": sum(precisions) / relevant.sum(), "mrr": 1 / first, "hit_rate_at_k": float(relevant[:k].any())}


def test_two_versions_that_scored_the_same_rows_are_compared_in_pairs(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(12)
    rows = 4000
    frame = pd.DataFrame({"id": np.arange(rows), "at": times(random, rows, 2)})
    hard = random.normal(size=rows)
    frame["truth"] = (random.random(rows) < 0.4).astype(int)
    sides = []
    for version, strength, share in (("1", 1.0, 1.0), ("2", 1.6, 0.5)):
        side = frame[random.random(rows) < share].assign(version=version)
        odds = strength * (side["truth"] - 0.5) + hard[side["id"]] + 0.3 * random.normal(size=len(side))
        sides.append(side.assign(score=np.round(1 / (1 + np.exp(-odds)), 5)))
    both = pd.concat(sides, ignore_index=True)
    write(both, tmp_path)
    text = HEAD.format(name="shadow", task="binary", dir=tmp_path, own="score: score", more="")
    tables = measured(spark, text, tmp_path, "shadow")
    for week in (0, 1):
        champion, challenger = (of_window(both, week, version).set_index("id") for version in ("1", "2"))
        shared = champion.index.intersection(challenger.index)
        one, other = (
            {
                "roc_auc_score": oracle.roc_auc_score(side.loc[shared, "truth"], side.loc[shared, "score"]),
                "accuracy_score": oracle.accuracy_score(side.loc[shared, "truth"], side.loc[shared, "score"] >= 0.5),
                "brier_score": oracle.brier_score_loss(side.loc[shared, "truth"], side.loc[shared, "score"]),
            }
            for side in (champion, challenger)
        )
        found = rows_of(tables, week, "2")
        for name in one:
            row = value(found, f"{name}_difference", "1")
            assert abs(row["value"] - (other[name] - one[name])) < 0.002
            assert row["count"] == len(shared)
            assert "on 1,0" in row["message"] or "on 9" in row["message"]
        area = value(found, "roc_auc_score_difference", "1")
        alone = [value(rows_of(tables, week, version), "roc_auc_score") for version in ("1", "2")]
        apart = np.hypot(*[side["upper"] - side["lower"] for side in alone])
        assert area["upper"] - area["lower"] < 0.6 * apart
        assert area["message"].startswith("Challenger 2 is better than champion 1 in roc_auc_score by 0.")
