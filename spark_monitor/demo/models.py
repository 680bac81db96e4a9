"""Two scikit-learn models for "arrives 15 minutes late or more", trained on January and February 2013.

Version 1 is a logistic regression and scores the whole year; version 2 is gradient boosting and scores beside it from June on.
Both see the features as they arrived, the injected faults included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from spark_monitor.demo.data import FEATURES, LATE_MINUTES, NUMERIC, SEED, TEXT

TRAINED_BEFORE = pd.Timestamp("2013-03-01", tz="UTC")  # the baseline of the monitor's file
SECOND_VERSION_FROM = pd.Timestamp("2013-06-01", tz="UTC")
THRESHOLD = 0.5  # the threshold of the monitor's file
RARE = 100  # a category with fewer training flights is distinguished by neither model


@dataclass(frozen=True)
class Version:
    """One version of the model, and since when it is in production."""

    number: int
    algorithm: str
    model: Pipeline
    since: pd.Timestamp | None


def train(rows: pd.DataFrame) -> tuple[Version, Version]:
    """Fit both versions on the flights that were predicted before March and arrived.

    On one thread: sums then have one order on every machine, and no thread waits in a loop for another on a busy core.
    """
    past = rows[(rows["predicted_at"] < TRAINED_BEFORE) & rows["arrival_delay"].notna()]
    features, late = model_input(past), (past["arrival_delay"] >= LATE_MINUTES).to_numpy()
    with threadpool_limits(limits=1):
        return (
            Version(1, "logistic regression", logistic_regression().fit(features, late), None),
            Version(2, "gradient boosting", gradient_boosting().fit(features, late), SECOND_VERSION_FROM),
        )


def model_input(rows: pd.DataFrame) -> pd.DataFrame:
    """The features as both models take them: text, with missing values as a category of their own, and floats."""
    text = rows[list(TEXT)].astype(object).fillna("unknown")
    return pd.concat([text, rows[list(NUMERIC)].astype("float64")], axis=1)[list(FEATURES)]


def logistic_regression() -> Pipeline:
    """Version 1."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE)
    columns = ColumnTransformer([("numbers", numbers, list(NUMERIC)), ("categories", categories, list(TEXT))])
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


def gradient_boosting() -> Pipeline:
    """Version 2."""
    categories = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, min_frequency=RARE)
    columns = ColumnTransformer([("categories", categories, list(TEXT)), ("numbers", "passthrough", list(NUMERIC))])
    trees = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.08, categorical_features=list(range(len(TEXT))), early_stopping=False, random_state=SEED
    )
    return make_pipeline(columns, trees)


def score(rows: pd.DataFrame, version: Version) -> pd.DataFrame:
    """The rows that a version scored in production, with its scores of them."""
    seen = rows if version.since is None else rows[rows["predicted_at"] >= version.since]
    probability = version.model.predict_proba(model_input(seen))[:, 1]
    return seen.assign(
        model_version=str(version.number),
        predicted=(probability >= THRESHOLD).astype("int32"),
        probability=probability,
    )


def training_scores(rows: pd.DataFrame, versions: tuple[Version, ...]) -> Mapping[int, float]:
    """Each version's area under the ROC curve on the flights it was trained on."""
    from sklearn.metrics import roc_auc_score

    past = rows[(rows["predicted_at"] < TRAINED_BEFORE) & rows["arrival_delay"].notna()]
    late = past["arrival_delay"] >= LATE_MINUTES
    return {
        version.number: float(roc_auc_score(late, version.model.predict_proba(model_input(past))[:, 1])) for version in versions
    }
