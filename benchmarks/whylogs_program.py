"""Runs in whylogs' own environment and imports nothing of this project: a question a line in, an answer a line out, in JSON."""

from __future__ import annotations

import json
import sys
import time
from multiprocessing import Pool

import numpy as np
import pyarrow.parquet as pq
import whylogs

RANKS = np.linspace(0, 1, 101).tolist()
FINE = np.linspace(0, 1, 4097).tolist()


def profiled(files, names):
    """The profile of some files, as bytes; one row group in memory at a time."""
    profile = None
    for file in files:
        source = pq.ParquetFile(file)
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group, columns=names, use_threads=False).to_pandas()
            view = whylogs.log(pandas=rows).profile().view()
            profile = view if profile is None else profile.merge(view)
    return profile.serialize()


def side(column):
    """What is asked of one half of one column."""
    counts, distribution = column.get_metric("counts"), column.get_metric("distribution")
    return {
        "count": counts.n.value,
        "nulls": counts.null.value,
        "mean": distribution.avg,
        "stddev": distribution.stddev,
        "minimum": distribution.min,
        "maximum": distribution.max,
        "quantiles": list(distribution.kll.value.get_quantiles(RANKS)),
    }


def distance(baseline, current):
    """KS of two sketches: the greatest difference of their distribution functions at the items of both.

    A sketch tells F(x^-); at every item but the first that is F at the item before, so no step is missed.
    """
    first, second = (column.get_metric("distribution").kll.value for column in (baseline, current))
    points = np.unique([*first.get_quantiles(FINE), *second.get_quantiles(FINE)]).tolist()
    return float(np.abs(np.array(first.get_cdf(points)) - np.array(second.get_cdf(points))).max())


def answer(question, pool):
    """Both halves, each file in a process of its own as far as there are processes."""
    began = time.perf_counter()
    names = question["names"]
    parts = [([file], names) for files in question["halves"] for file in files]
    views = [whylogs.core.DatasetProfileView.deserialize(part) for part in pool.starmap(profiled, parts, chunksize=1)]
    merged, start = [], 0
    for files in question["halves"]:
        half = views[start : start + len(files)]
        start += len(files)
        for view in half[1:]:
            half[0] = half[0].merge(view)
        merged.append(half[0])
    columns = {name: [view.get_column(name) for view in merged] for name in names}
    sides = {name: [side(column) for column in pair] for name, pair in columns.items()}
    ks = {name: distance(*pair) for name, pair in columns.items()}
    return {"seconds": time.perf_counter() - began, "sides": sides, "ks": ks}


def main():
    """Answer until no more questions come."""
    pool = None
    for line in sys.stdin:
        asked = json.loads(line)
        pool = pool or Pool(asked["processes"])
        print(json.dumps(answer(asked, pool)), flush=True)
    if pool is not None:
        pool.terminate()


if __name__ == "__main__":
    main()
