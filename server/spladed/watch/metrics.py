"""Counters and histograms of a server, in Prometheus' form.

Names follow its conventions (https://prometheus.io/docs/practices/naming): seconds, bytes,
`_total` for what only grows. Labels have few values each: methods, statuses and reasons of the
contract, kinds, stages, names of collections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from spladed.encoder.run import Ran
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From half a millisecond, an idle server's answer, to the 30 s that clients wait.
_SECONDS = (.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)  # fmt: skip
_TERMS = (1, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SHARES = (.01, .1, .25, .5, .75, .9, 1)  # fmt: skip


class Metrics:
    """One server's figures. Methods may be called from any thread."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        ProcessCollector(registry=made)
        PlatformCollector(registry=made)
        Info("spladed_build", "The server's version.", registry=made).info({"version": version})
        self._requests = Counter(
            "spladed_requests", "Calls that ended, and chunks of streams that were answered.",
            ["method", "status", "reason"], registry=made,
        )  # fmt: skip
        self._seconds = Histogram(
            "spladed_request_seconds", "From a call's arrival to its end.",
            ["method"], buckets=_SECONDS, registry=made,
        )  # fmt: skip
        self._in_flight = Gauge(
            "spladed_requests_in_flight", "Calls that have begun and not ended.",
            ["method"], registry=made,
        )  # fmt: skip
        self._stages = Histogram(
            "spladed_stage_seconds", "What a call spent in a stage.",
            ["stage"], buckets=_SECONDS, registry=made,
        )  # fmt: skip
        self._texts = _by_kind(Counter, "spladed_texts", "Texts encoded.", made)
        self._truncated = _by_kind(Counter, "spladed_truncated_texts", "Texts cut off.", made)
        self._terms = Histogram(
            "spladed_row_terms", "Weights of a row.", ["kind"], buckets=_TERMS, registry=made
        )
        self._tokens = _by_kind(Counter, "spladed_tokens", "Tokens run, without padding.", made)
        self._padding = _by_kind(Counter, "spladed_padding_tokens", "Tokens of padding run.", made)
        self._rows = Histogram(
            "spladed_batch_rows", "Rows of a batch.", ["kind"], buckets=_ROWS, registry=made
        )
        self._fill = Histogram(
            "spladed_batch_fill", "Tokens of a batch, padding included, over its budget.",
            ["kind"], buckets=_SHARES, registry=made,
        )  # fmt: skip
        self._waiting = Gauge(
            "spladed_waiting_tokens", "Tokens in the encoder's queue.", registry=made
        )

    def began(self, method: str) -> None:
        """A call of Service/Method has arrived."""
        self._in_flight.labels(method).inc()

    def ended(self, method: str, seconds: float, status: str, reason: str = "") -> None:
        """A call that began is over. status: gRPC's name for it."""
        self._in_flight.labels(method).dec()
        self._seconds.labels(method).observe(seconds)
        self._requests.labels(method, status, reason).inc()

    def answered(self, method: str, status: str, reason: str = "") -> None:
        """A chunk of a stream, or a call that was not let in, was answered."""
        self._requests.labels(method, status, reason).inc()

    def stage(self, stage: str, seconds: float) -> None:
        """A call is through a stage."""
        self._stages.labels(stage).observe(seconds)

    def encoded(self, kind: Kind, rows: SparseBatch, truncated: Sequence[bool]) -> None:
        """Texts of a kind were encoded."""
        self._texts.labels(kind).inc(len(rows))
        if cut := sum(truncated):
            self._truncated.labels(kind).inc(cut)
        terms = self._terms.labels(kind)
        for count in np.diff(rows.indptr).tolist():
            terms.observe(count)

    def ran(self, batch: Ran) -> None:
        """The engine ran a batch."""
        self._tokens.labels(batch.kind).inc(batch.tokens)
        self._padding.labels(batch.kind).inc(batch.padded - batch.tokens)
        self._rows.labels(batch.kind).observe(batch.rows)
        self._fill.labels(batch.kind).observe(batch.padded / batch.budget)
        self._stages.labels("engine").observe(batch.seconds)

    def watch_waiting(self, tokens: Callable[[], int]) -> None:
        """Where the length of the encoder's queue is read from."""
        self._waiting.set_function(tokens)

    def text(self) -> bytes:
        """Everything, as a collector reads it."""
        return generate_latest(self.registry)


def _by_kind(cls: type[Counter], name: str, about: str, registry: CollectorRegistry) -> Counter:
    return cls(name, about, ["kind"], registry=registry)
