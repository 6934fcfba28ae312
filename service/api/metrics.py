"""Figures for Prometheus: requests, counted here; jobs, as the database has them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RequestMetrics:
    """Counts requests.

    Args:
        registry: Where the figures are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter(
            "aggpose_requests", "Requests that were answered.", labels, registry=registry
        )
        self._seconds = Histogram(
            "aggpose_request_seconds", "Seconds until a request was answered to its end.",
            ("method", "route"), buckets=_SECONDS, registry=registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        if route == "-":
            method = "-"  # whoever makes names up must not fill the memory
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
