"""The stored KLL images are Spark's own: read by its functions, merged with sketches that Spark made."""

from __future__ import annotations

import numpy as np
from finished_run import Finished
from pyspark.sql import SparkSession

WINDOW = "granularity = '1 month' AND slice_key IS NULL AND column_name = 'shifted' AND model_version = '1'"


def test_sparks_functions_read_and_merge_the_stored_images(spark: SparkSession, finished: Finished) -> None:
    states = spark.read.format("delta").load(str(finished.made.output / "profile_states")).where(WINDOW)
    rows = finished.made.rows
    exact = np.sort(rows[rows["version"] == "1"]["shifted"].to_numpy())
    read = states.selectExpr(
        "kll_sketch_get_n_double(sketch) AS n", "kll_sketch_get_quantile_double(sketch, 0.5D) AS median"
    ).collect()
    assert [row["n"] for row in read] == [exact.size]
    rank = np.searchsorted(exact, read[0]["median"], side="right") / exact.size
    assert abs(rank - 0.5) <= 0.0028
    own = spark.read.parquet(str(finished.made.directory / "predictions")).where("version = '2'")
    native = own.selectExpr("kll_sketch_agg_double(shifted, 1024) AS native")
    both = states.crossJoin(native).selectExpr("kll_sketch_get_n_double(kll_sketch_merge_double(sketch, native)) AS n").collect()
    assert both[0]["n"] == len(rows)
