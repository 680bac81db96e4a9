"""How near estimates come to what labels show later: ours and NannyML's on its published data sets, chunk by chunk.

`benchmarks/peer_nannyml.py` says how the directory is made. Of each data set the reference's labels calibrate, and each chunk of
5,000 later rows is estimated without its labels, which are then looked at: by states alone, as a run does, without Spark.

    python -m benchmarks.estimates DIR
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as oracle

from spark_monitor.estimation.agreement import Final, calibrating, dispersion_among
from spark_monitor.estimation.error_tree import ErrorTree, grow
from spark_monitor.estimation.estimator import Estimator, estimated_rows, estimator
from spark_monitor.estimation.likeness import profile_of
from spark_monitor.kernel.recalibration import REACH_WINDOWS, Recalibration
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.grid import Grid
from spark_monitor.states.scores import ScoreState, score_grid

NAMES = {
    "binary": {
        "roc_auc": "roc_auc_score",
        "average_precision": "average_precision",
        "accuracy": "accuracy_score",
        "precision": "precision",
        "recall": "recall",
        "f1": "f1_score",
        "specificity": "specificity",
    },
    "multiclass": {
        "roc_auc": "roc_auc_ovr_macro",
        "accuracy": "accuracy_score",
        "precision": "precision_macro",
        "recall": "recall_macro",
        "f1": "f1_score_macro",
    },
    "regression": {"mae": "mean_absolute_error", "mse": "mean_squared_error", "rmse": "root_mean_squared_error"},
}
QUANTILES = np.linspace(0, 1, 257)


CHUNK = 5_000
SAMPLE = 20_000
"""Rows that a run grows its tree of errors on."""


def tree_of(reference: pd.DataFrame) -> ErrorTree:
    """The tree of errors, as a run grows it on a sample of the labelled rows."""
    rows = reference.sample(n=min(SAMPLE, len(reference)), random_state=1)
    features = rows.drop(columns=["truth", "chunk"]).select_dtypes("number")
    return grow(tuple(features.columns), features.to_numpy(float), (rows["guess"] - rows["truth"]).to_numpy(float))


def state_of(rows: pd.DataFrame, task: str, grid: Grid, tree: ErrorTree | None, *, labelled: bool) -> Any:
    """The state that estimates are made from: of a labelled reference, or of a chunk's answers alone."""
    truth, guess = rows["truth"].to_numpy(), rows["guess"].to_numpy()
    if task == "regression":
        labels = truth.astype(float) if labelled else np.full(len(rows), np.nan)
        if tree is None:
            raise ValueError("a regression's errors are told apart by a tree.")
        leaves = tree.leaf_of(rows[list(tree.names)].to_numpy(float))
        return CellErrorsState.empty(tree.cells).update(labels, guess.astype(float), leaves)
    if task == "binary":
        return ScoreState.empty(grid).update((truth if labelled else guess).astype(int) == 1, rows["score"].to_numpy())
    columns = sorted(name for name in rows if name.startswith("score_"))
    classes = tuple(name.removeprefix("score_") for name in columns)
    places = {name: place for place, name in enumerate(classes)}
    codes = np.array([places[name] for name in (truth if labelled else guess)])
    return ClassScoresState.empty(classes).update(codes, rows[columns].to_numpy())


def realised(rows: pd.DataFrame, task: str) -> dict[str, float]:
    """What the labels of a chunk show, under NannyML's names."""
    truth, guess = rows["truth"].to_numpy(), rows["guess"].to_numpy()
    if task == "regression":
        squared = oracle.mean_squared_error(truth, guess)
        return {"mae": oracle.mean_absolute_error(truth, guess), "mse": squared, "rmse": float(np.sqrt(squared))}
    average = {} if task == "binary" else {"average": "macro"}
    metrics = {
        "accuracy": oracle.accuracy_score(truth, guess),
        "precision": oracle.precision_score(truth, guess, **average),
        "recall": oracle.recall_score(truth, guess, **average),
        "f1": oracle.f1_score(truth, guess, **average),
    }
    if task == "multiclass":
        scores = rows[sorted(name for name in rows if name.startswith("score_"))].to_numpy()
        return {**metrics, "roc_auc": oracle.roc_auc_score(truth, scores, multi_class="ovr", average="macro")}
    return {
        **metrics,
        "specificity": oracle.recall_score(truth, guess, pos_label=0),
        "roc_auc": oracle.roc_auc_score(truth, rows["score"]),
        "average_precision": oracle.average_precision_score(truth, rows["score"]),
    }


def chunks(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """A row for each chunk and metric: realised, ours with its interval, NannyML's."""
    reference, analysis = (pd.read_parquet(directory / f"{name}.{part}.parquet") for part in ("reference", "analysis"))
    peer = pd.read_csv(directory / f"{name}.csv").set_index(["chunk", "metric"])
    task = str(reference["task"].iloc[0])
    frozen = Grid.of(np.unique(np.quantile(reference["score"], QUANTILES))) if task == "binary" else None
    grid, tree = score_grid(frozen), tree_of(reference) if task == "regression" else None
    windows = [state_of(rows, task, grid, tree, labelled=True) for _, rows in reference.groupby("chunk")]
    baseline = estimator(1, state_of(reference, task, grid, tree, labelled=True), windows=windows)
    if baseline is None:
        raise ValueError(f"{name}: its reference does not suffice to estimate from.")
    later = [rows for _, rows in analysis.groupby("chunk")]
    labels = [state_of(rows, task, grid, tree, labelled=True) for rows in later]
    for number, rows in enumerate(later):
        answers = state_of(rows, task, grid, tree, labelled=False)
        first, again = (
            {row["metric"]: row for row in estimated_rows(answers, one)}
            for one in (baseline, newest(baseline, labels, number, answers))
        )
        for theirs, value in realised(rows, task).items():
            row, later_row = first[NAMES[task][theirs]], again[NAMES[task][theirs]]
            yield {
                "data": name,
                "metric": NAMES[task][theirs],
                "chunk": number,
                "early": number < len(later) // 2,
                "realised": value,
                "ours": row["value"],
                "held": row["lower"] <= value <= row["upper"],
                "recalibrated": later_row["value"],
                "recalibrated_held": later_row["lower"] <= value <= later_row["upper"],
                "width": row["upper"] - row["lower"],
                "theirs": peer.loc[(number, theirs), "value"],
                "theirs_held": peer.loc[(number, theirs), "lower"] <= value <= peer.loc[(number, theirs), "upper"],
            }


def newest(baseline: Estimator, labels: list[Any], number: int, answers: Any) -> Estimator:
    """As a run estimates where labels take one chunk: from chunks before that look like this one and agree."""
    before = labels[max(number - REACH_WINDOWS, 0) : number]
    finals = calibrating([Final(one, CHUNK, profile_of(one)) for one in reversed(before)], baseline, profile_of(answers))
    if not finals:
        return baseline
    merged = finals[0].state
    for one in finals[1:]:
        merged = merged.merge(one.state)
    return Recalibration(merged, 0, 0, dispersion_among(finals, baseline)).estimator(baseline)


def main(directory: Path) -> None:
    """Print the table of docs/estimation.md."""
    names = sorted(path.name.removesuffix(".csv") for path in directory.glob("*.csv"))
    table = pd.DataFrame([row for name in names for row in chunks(directory, name)])
    table["error"], table["peer_error"] = (table["ours"] - table["realised"]).abs(), (table["theirs"] - table["realised"]).abs()
    table["again_error"] = (table["recalibrated"] - table["realised"]).abs()
    names_of = (
        "chunks | our median error | NannyML's | recalibrated | our intervals held | in the first half | recalibrated | NannyML's"
    )
    print(f"| data | metric | {names_of} |")
    print("|" + " --- |" * 10)
    for (name, metric), rows in table.groupby(["data", "metric"], sort=True):
        errors = " | ".join(f"{rows[one].median():.4g}" for one in ("error", "peer_error", "again_error"))
        shares = rows["held"], rows.loc[rows["early"], "held"], rows["recalibrated_held"], rows["theirs_held"]
        held = " | ".join(f"{one.mean():.0%}" for one in shares)
        print(f"| {name} | {metric} | {len(rows)} | {errors} | {held} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
