"""What the operator's Prometheus reads: requests, times, what is in use."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")


class Counters:
    """Of one app; a path counts by its pattern, so no id gets into a label."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        labels = ("method", "path", "status")
        self._requests = Counter(
            "lightgcn_requests", "Requests answered", labels, registry=registry
        )
        self._seconds = Histogram(
            *("lightgcn_request_seconds", "Time to answer", ("path",)),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.at_once = Gauge("lightgcn_requests_at_once", "Being answered", registry=registry)
        self._ready = Gauge("lightgcn_ready", "1 where a model is in use", registry=registry)
        self._since = Gauge(
            *("lightgcn_model_in_use_since_seconds", "Unix time of the last swap"),
            registry=registry,
        )

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """One answered request."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self, in_use_since: float | None) -> bytes:
        """Everything, as Prometheus reads it.

        Args:
            in_use_since: Unix time; None where no model is in use.
        """
        self._ready.set(in_use_since is not None)
        self._since.set(in_use_since or 0.0)
        return generate_latest(self._registry)
