"""Prometheus metrics every service has; a service's own are declared beside what they count."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

EFFECTS = Counter("relevo_stream_effects", "Events that took effect", ["topic"])
BURIED = Counter("relevo_stream_dead_letters", "Records that became dead letters", ["topic"])
CHUNK_SECONDS = Histogram(
    "relevo_stream_chunk_seconds", "One chunk: inbox, handler, outbox, commit", ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
LAG = Gauge("relevo_stream_lag_records", "Records of this process's partitions that are not applied yet", ["topic"])
READY = Gauge("relevo_ready", "1 when it can do its job: what /readyz says")
OUTBOX_ROWS = Gauge("relevo_outbox_rows", "Events committed and not yet acknowledged by Kafka")
OUTBOX_AGE = Gauge("relevo_outbox_oldest_seconds", "Age of the oldest of them")
DEAD_ROWS = Gauge("relevo_dead_letter_rows", "Dead letters waiting for a person")
CONSUMER_STOPPED = Gauge("relevo_consumer_stopped", "1 when too many dead letters stopped the consumer")
REQUESTS = Counter("relevo_http_requests", "HTTP requests, by route and answer", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "relevo_http_request_seconds", "From a request to its answer's beginning", ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip


def answered(route: str, status: int, seconds: float) -> None:
    """A request's answer begins after so many seconds. `route` is a template, never what a stranger sent."""
    count, took = _of(route, status)
    count.inc()
    took.observe(seconds)


@cache
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, status), REQUEST_SECONDS.labels(route)
