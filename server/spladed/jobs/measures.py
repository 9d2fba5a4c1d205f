"""nDCG@10, RR@10 and R@100 of a run. The only importer of ir_measures.

ir_measures hands these three to pytrec_eval, which is trec_eval's own C: the gain is the
grade, the discount log2(rank + 1) (Jaervelin and Kekaelaeinen 2002), relevant means grade
above 0, and equal scores are ordered by document id, falling. RR@10 averaged over queries
is what the field calls MRR@10.
"""

from __future__ import annotations

from collections.abc import Mapping

import ir_measures
from ir_measures import RR, R, nDCG

from spladed.jobs.read import Qrels
from spladed.jobs.run import Run

__all__ = ["MEASURES", "PerQuery", "mean", "measure"]

PerQuery = Mapping[str, Mapping[str, float]]  # query id -> measure -> 0 to 1

_MEASURES = (nDCG @ 10, RR @ 10, R @ 100)
MEASURES = tuple(str(each) for each in _MEASURES)


def measure(qrels: Qrels, run: Run) -> PerQuery:
    """Every measure of every query in `qrels`, in that order.

    A query that the run lacks has 0, and so has one without a relevant document.
    """
    found = {query: dict.fromkeys(MEASURES, 0.0) for query in qrels}
    for each in ir_measures.iter_calc(_MEASURES, qrels, run):
        found[each.query_id][str(each.measure)] = each.value
    return found


def mean(per_query: PerQuery) -> dict[str, float]:
    """The mean of each measure over the queries."""
    return {
        name: sum(values[name] for values in per_query.values()) / len(per_query)
        for name in MEASURES
    }
