"""The tables of numbers: what columns look like, their states, how far they moved, how well the model does."""

from __future__ import annotations

from typing import Final

from spark_monitor.store.described import COUNT, NUMBER, TEXT, WHOLE, Table, column, list_of, map_of, struct
from spark_monitor.store.shared_columns import (
    AS_OF,
    BASELINE_VERSION,
    CHECKSUM,
    COLUMN_NAME,
    CUT,
    CUT_KEY,
    EDGES,
    FREQUENT_ITEMS,
    MESSAGE,
    RUN_ID,
    STATUS,
    delta_of,
    test_result,
)
from spark_monitor.store.state_columns import STATE_FIELDS

STATE_KINDS: Final = (
    *("coverage", "score", "confusion", "regression", "class_scores", "grouped", "predicted", "answers", "paired", "tree"),
)
"""Labels; answers against labels by kind; and all answers: predicted classes, and their scores."""

PROFILE_METRICS: Final = Table(
    "profile_metrics",
    "window x granularity x model_version x slice x column, and one with column_name :table for the columns together",
    (*CUT_KEY, "column_name", "log_type"),
    (
        *CUT,
        COLUMN_NAME,
        column("log_type", TEXT, "INPUT, or BASELINE for the rows of the baseline itself"),
        column("data_type", TEXT, "the column's type as Spark writes it"),
        STATUS,
        MESSAGE,
        column("count", COUNT, "rows, nulls included"),
        column("num_nulls", COUNT, "rows where the column is NULL"),
        column("num_nan", COUNT, "rows where it is NaN"),
        column("num_inf", COUNT, "rows where it is plus or minus infinity"),
        column("num_zeros", COUNT, "rows where it is zero"),
        column("num_empty", COUNT, "rows where it is an empty string, binary, array or map"),
        column("avg", NUMBER, "mean of the finite values; epoch seconds for dates and timestamps"),
        column("stddev", NUMBER, "sample standard deviation (n - 1) of the finite values"),
        column("min", NUMBER, "smallest finite value"),
        column("max", NUMBER, "largest finite value"),
        column("median", NUMBER, "quantiles[50]"),
        column("quantiles", list_of(NUMBER), "101 values: quantiles[i] is the smallest x with F(x) >= i/100, within rank_error"),
        column("rank_error", NUMBER, "largest error of a quantile's rank, between 0 and 1 (99 %); 0 where they are exact"),
        column("min_length", NUMBER, "shortest string in characters, binary in bytes, or array in elements"),
        column("max_length", NUMBER, "longest string in characters, binary in bytes, or array in elements"),
        column("avg_length", NUMBER, "mean length"),
        column("distinct_count", COUNT, "distinct values (finite ones, of numbers): exact while few, otherwise estimated"),
        column("frequent_items", FREQUENT_ITEMS, "the most frequent values and how often each occurs"),
        column("percent_null", NUMBER, "num_nulls in percent of count, 0 to 100"),
        column("percent_nan", NUMBER, "num_nan in percent of count, 0 to 100"),
        column("percent_zeros", NUMBER, "num_zeros in percent of count, 0 to 100"),
        column("percent_distinct", NUMBER, "distinct_count in percent of count, 0 to 100"),
        column("non_null_columns", list_of(TEXT), "columns with at least one value other than NULL (rows of :table)"),
        column("logging_table_commit_version", COUNT, "version of the prediction table that was read, where it has versions"),
        column("monitor_version", COUNT, "version of the frozen baseline, which owns the grids of these numbers"),
        RUN_ID,
    ),
)

PROFILE_STATES: Final = Table(
    "profile_states",
    "row of profile_metrics: the mergeable state its numbers were read from, in columns that SQL can read and merge",
    (*CUT_KEY, "column_name", "log_type"),
    (
        *CUT,
        COLUMN_NAME,
        column("log_type", TEXT, "INPUT, or BASELINE for the rows of the baseline itself"),
        column("grid_id", TEXT, "the grid, or the list of categories, that the cells are of; states of one grid merge"),
        *STATE_FIELDS,
        column("message", TEXT, "one sentence that says why there is no state; NULL where there is one"),
        RUN_ID,
        CHECKSUM,
    ),
)

NON_NULL_DELTA: Final = struct(
    column("added", WHOLE, "columns that had only NULL before and have values now"),
    column("missing", WHOLE, "columns that had values before and have only NULL now"),
)

DRIFT_METRICS: Final = Table(
    "drift_metrics",
    "row of profile_metrics x what it is compared with (drift_type)",
    (*CUT_KEY, "column_name", "drift_type", "baseline_name"),
    (
        *CUT,
        COLUMN_NAME,
        column(
            "drift_type", TEXT, "BASELINE, CONSECUTIVE (the window before), SEASONAL (a lag before) or ROLLING (those before)"
        ),
        column("baseline_name", TEXT, "the reference by its name under `baselines`; NULL for the baseline and the window before"),
        column("window_cmp", EDGES, "the window compared with; NULL for the baseline"),
        delta_of("count", "rows"),
        delta_of("avg", "mean"),
        delta_of("percent_null", "percent_null"),
        delta_of("percent_zeros", "percent_zeros"),
        delta_of("percent_distinct", "percent_distinct"),
        column("non_null_columns_delta", NON_NULL_DELTA, "how many columns began or ceased to hold values, in rows of :table"),
        test_result("ks_test", "two-sample Kolmogorov-Smirnov distance attained on the grid", "p-value of the statistic"),
        column("ks_lower", NUMBER, "certified lower bound of the two samples' exact KS distance"),
        column("ks_upper", NUMBER, "certified upper bound of the two samples' exact KS distance"),
        column("ks_population_lower", NUMBER, "lower bound of the populations' KS distance (95 %, both samples' error)"),
        column("ks_population_upper", NUMBER, "upper bound of the populations' KS distance (95 %, both samples' error)"),
        column("population_stability_index", NUMBER, "PSI over the baseline's bins, each count + 0.5, renormalised"),
        column("population_stability_index_expected", NUMBER, "the PSI to expect without any drift: (bins - 1)(1/n + 1/m)"),
        column("js_distance", NUMBER, "Jensen-Shannon distance over the baseline's bins, base 2: 0 to 1"),
        column("hellinger_distance", NUMBER, "Hellinger distance over the baseline's bins: 0 to 1"),
        column("wasserstein_distance", NUMBER, "Wasserstein-1 distance of the finite values, in the column's unit"),
        column("wasserstein_lower", NUMBER, "certified lower bound of the Wasserstein-1 distance"),
        column("wasserstein_upper", NUMBER, "certified upper bound of the Wasserstein-1 distance"),
        column("wasserstein_per_deviation", NUMBER, "wasserstein_distance in standard deviations of what is compared with"),
        test_result("chi_squared_test", "chi-squared statistic of the two rows of counts over the bins", "its p-value"),
        column("tv_distance", NUMBER, "total variation distance over the baseline's bins: 0 to 1"),
        column("l_infinity_distance", NUMBER, "largest difference of a bin's fraction: 0 to 1"),
        STATUS,
        MESSAGE,
        BASELINE_VERSION,
        RUN_ID,
    ),
)

MODEL_METRICS: Final = Table(
    "model_metrics",
    "window x granularity x model_version x slice x metric, and x class where the metric has classes",
    (*CUT_KEY, "metric", "class", "basis", "log_type"),
    (
        *CUT,
        column("metric", TEXT, "the metric: roc_auc_score, log_loss, accuracy_score, mean_absolute_error, ..."),
        column("class", TEXT, "the class a metric is about; of a confusion matrix the true and the predicted one; NULL: all"),
        column("value", NUMBER, "the metric"),
        column("value_error", NUMBER, "largest deterministic error of value; 0 where it is exact"),
        column("lower", NUMBER, "lower end of the 95 % interval that holds value_error and the sampling error"),
        column("upper", NUMBER, "upper end of that interval"),
        column(
            "count",
            COUNT,
            "rows that were looked at: of precision, recall and the like every row with a label, whatever its class",
        ),
        column("label_coverage", NUMBER, "fraction of the window's rows that have a label, 0 to 1"),
        column("label_status", TEXT, "NO_LABELS, PROVISIONAL (labels may still come) or FINAL (the label horizon is over)"),
        column("basis", TEXT, "REALISED: computed from labels; ESTIMATED: expected without them, by a calibration"),
        column("log_type", TEXT, "INPUT, or BASELINE for the labelled baseline itself: granularity baseline"),
        STATUS,
        MESSAGE,
        BASELINE_VERSION,
        AS_OF,
        RUN_ID,
    ),
)

MODEL_STATES: Final = Table(
    "model_states",
    "window x granularity x model_version x slice x kind of state, and the same of the labelled baseline",
    (*CUT_KEY, "kind", "log_type"),
    (
        *CUT,
        column("kind", TEXT, f"what it counts: {', '.join(STATE_KINDS)}"),
        column(
            "log_type",
            TEXT,
            "INPUT, or BASELINE for the labelled baseline (slice_key :window: its windows): granularity baseline",
        ),
        column("count", COUNT, "rows that the state counts"),
        column("labelled", COUNT, "rows of the window, version and slice that have a label"),
        column(
            "properties", TEXT, "the state's tag, classes, grid and the lengths of its arrays, as JSON; NULL: there is no state"
        ),
        column(
            "counts",
            map_of(list_of(COUNT)),
            "the state's counts by name; of long arrays (64 and more) NAME.cell says which are not zero, NAME.n what is there",
        ),
        column(
            "numbers",
            map_of(list_of(NUMBER)),
            "the state's sums and other numbers by name; of long arrays that are mostly 0 or NaN NAME.n holds the others, whose "
            "places are those of NAME.cell among the counts",
        ),
        BASELINE_VERSION,
        RUN_ID,
        CHECKSUM,
    ),
)

METRICS: Final = Table(
    "metrics",
    "window x granularity x model_version x slice x dataset x column x metric, and x class where the metric has classes",
    (*CUT_KEY, "dataset", "column_name", "family", "metric", "class", "basis"),
    (
        *CUT,
        column("dataset", TEXT, "predictions, operations, pipelines or costs"),
        column(
            "column_name", TEXT, "the column, the pair of columns (a, b), the endpoint, step or service; :table for all together"
        ),
        column("family", TEXT, "quality, drift, correlation, fairness, model, custom, system, pipeline or cost"),
        column("metric", TEXT, "the metric, as docs/metrics.md lists it"),
        column("class", TEXT, "the class, reference or threshold a metric is about; NULL: all"),
        column("value", NUMBER, "the metric"),
        column("value_error", NUMBER, "largest deterministic error of value; 0 where it is exact"),
        column("lower", NUMBER, "lower end of the 95 % interval that holds value_error and the sampling error"),
        column("upper", NUMBER, "upper end of that interval"),
        column("count", COUNT, "rows that the value rests on"),
        column("unit", TEXT, "what value is counted in: percent, rows, hours, ms, a currency, ...; NULL: none"),
        column("basis", TEXT, "what it is measured from: a baseline by name, REALISED or ESTIMATED; NULL: the window alone"),
        STATUS,
        MESSAGE,
        column("details", map_of(TEXT), "what else belongs to the number, such as what changed and what is named first"),
        AS_OF,
        RUN_ID,
    ),
)

METRIC_TABLES: Final = (PROFILE_METRICS, PROFILE_STATES, DRIFT_METRICS, MODEL_STATES, MODEL_METRICS, METRICS)
