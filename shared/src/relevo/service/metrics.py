"""Prometheus metrics every service has; a service's own are declared beside what they count."""

from prometheus_client import Counter, Gauge, Histogram

EFFECTS = Counter("relevo_stream_effects", "Events that took effect", ["topic"])
BURIED = Counter("relevo_stream_dead_letters", "Records that became dead letters", ["topic"])
CHUNK_SECONDS = Histogram(
    "relevo_stream_chunk_seconds", "One chunk: inbox, handler, outbox, commit", ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
OUTBOX_ROWS = Gauge("relevo_outbox_rows", "Events committed and not yet acknowledged by Kafka")
DEAD_ROWS = Gauge("relevo_dead_letter_rows", "Dead letters waiting for a person")
CONSUMER_STOPPED = Gauge("relevo_consumer_stopped", "1 when too many dead letters stopped the consumer")
REQUESTS = Counter("relevo_http_requests", "HTTP requests", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "relevo_http_request_seconds", "HTTP requests, by route", ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip
