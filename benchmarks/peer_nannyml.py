"""NannyML's estimates of its own published data sets, chunk by chunk, to be held against ours by `benchmarks.estimates`.

Runs in an environment of its own, as NannyML needs older libraries:

    uv venv -p 3.10 DIR/env && uv pip install -p DIR/env/bin/python nannyml
    DIR/env/bin/python benchmarks/peer_nannyml.py DIR/estimates
    python -m benchmarks.estimates DIR/estimates

The data sets come with the package; nothing is downloaded and nothing is reported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["NML_DISABLE_USAGE_LOGGING"], os.environ["DO_NOT_TRACK"] = "True", "1"

# NannyML is in an environment of its own.
import nannyml  # type: ignore[import-not-found]  # noqa: E402  (it reads the environment as it is imported)
import pandas as pd  # noqa: E402
from nannyml import datasets  # noqa: E402

CHUNK = 5000
BINARY = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "average_precision"]
SEVERAL = ["roc_auc", "f1", "precision", "recall", "accuracy"]
NUMBERS = ["mae", "mse", "rmse"]


def car_loan() -> dict[str, Any]:
    reference, analysis, truth = datasets.load_synthetic_car_loan_dataset()
    roles = {"score": "y_pred_proba", "guess": "y_pred", "truth": "repaid"}
    return {"reference": reference, "analysis": analysis.merge(truth, on="id"), "task": "binary", **roles}


def work_home() -> dict[str, Any]:
    reference, analysis, truth = datasets.load_synthetic_binary_classification_dataset()
    roles = {"score": "y_pred_proba", "guess": "y_pred", "truth": "work_home_actual"}
    return {"reference": reference, "analysis": analysis.merge(truth, on="id"), "task": "binary", **roles}


def employment() -> dict[str, Any]:
    reference, analysis, truth = datasets.load_us_census_ma_employment_data()
    roles = {"score": "predicted_probability", "guess": "prediction", "truth": "employed"}
    return {"reference": reference, "analysis": analysis.merge(truth, on="id"), "task": "binary", **roles}


def credit_card() -> dict[str, Any]:
    reference, analysis, truth = datasets.load_synthetic_multiclass_classification_dataset()
    scores = {name: f"y_pred_proba_{name}" for name in ("prepaid_card", "highstreet_card", "upmarket_card")}
    roles = {"score": scores, "guess": "y_pred", "truth": "y_true"}
    return {"reference": reference, "analysis": analysis.merge(truth, on="id"), "task": "multiclass", **roles}


def car_price() -> dict[str, Any]:
    reference, analysis, truth = datasets.load_synthetic_car_price_dataset()
    features = ["car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission"]
    roles = {"guess": "y_pred", "truth": "y_true", "features": features}
    return {"reference": reference, "analysis": analysis.merge(truth, on="id"), "task": "regression", **roles}


def estimated(data: dict[str, Any]) -> pd.DataFrame:
    """What CBPE or DLE, fitted on the reference, expects of each chunk of the analysed rows."""
    common = {"y_pred": data["guess"], "y_true": data["truth"], "chunk_size": CHUNK}
    if data["task"] == "regression":
        peer = nannyml.DLE(feature_column_names=data["features"], metrics=NUMBERS, **common)
    else:
        kind = "classification_binary" if data["task"] == "binary" else "classification_multiclass"
        metrics = BINARY if data["task"] == "binary" else SEVERAL
        peer = nannyml.CBPE(y_pred_proba=data["score"], problem_type=kind, metrics=metrics, **common)
    peer.fit(data["reference"])
    estimates = peer.estimate(data["analysis"].drop(columns=[data["truth"]])).filter(period="analysis").to_df()
    rows = []
    for metric in {name for name, _ in estimates.columns if name != "chunk"}:
        for place, row in estimates.iterrows():
            names = [(metric, part) for part in ("value", "lower_confidence_boundary", "upper_confidence_boundary")]
            rows.append((place, metric, *(float(row[name]) for name in names)))
    return pd.DataFrame(rows, columns=["chunk", "metric", "value", "lower", "upper"])


def main(directory: Path) -> None:
    """Write the rows and NannyML's estimates of every data set."""
    directory.mkdir(parents=True, exist_ok=True)
    for read in (car_loan, work_home, employment, credit_card, car_price):
        data, name = read(), read.__name__
        estimated(data).to_csv(directory / f"{name}.csv", index=False)
        scores = data.get("score")
        named = {column: f"score_{key}" for key, column in scores.items()} if isinstance(scores, dict) else {scores: "score"}
        named |= {data["guess"]: "guess", data["truth"]: "truth"}
        for part in ("reference", "analysis"):
            kept = data[part][[*filter(None, named), *data.get("features", [])]].rename(columns=named)
            kept.assign(chunk=range(len(kept)), task=data["task"]).assign(chunk=lambda frame: frame["chunk"] // CHUNK).to_parquet(
                directory / f"{name}.{part}.parquet", index=False
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
