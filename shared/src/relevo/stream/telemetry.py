"""The trace that survives every broker hop: W3C `traceparent` strings in, spans recorded where an exporter is set."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from random import getrandbits

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from relevo.events import Event

_W3C = TraceContextTextMapPropagator()


def new_trace() -> str:
    """A traceparent for something that begins here (W3C Trace Context, version 00, sampled)."""
    ids = f"{getrandbits(192):048x}"
    return f"00-{ids[:32]}-{ids[32:]}-01"


def recording() -> bool:
    """Whether spans go anywhere: only then do they cost anything."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


@contextmanager
def span(name: str, parent: str | None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[str | None]:
    """A span under `parent`; yields the traceparent to pass on, which is `parent` itself where nothing is recorded."""
    if not recording():
        yield parent
        return
    context = _W3C.extract({"traceparent": parent}, Context()) if parent else Context()
    with trace.get_tracer("relevo").start_as_current_span(name, context, kind) as current:
        current_context = current.get_span_context()
        flags = int(current_context.trace_flags)
        yield f"00-{current_context.trace_id:032x}-{current_context.span_id:016x}-{flags:02x}"


@contextmanager
def handling(handler: str, events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """The consumer's spans, one for each event of a batch, opened by hand: instrumentation would end them before the
    handler runs. Yields the events carrying the trace under which whatever they cause is to be emitted."""
    if not recording():
        yield events
        return
    with ExitStack() as stack:
        yield [
            event.model_copy(
                update={"trace": stack.enter_context(span(f"{handler} {event.type}", event.trace, SpanKind.CONSUMER))}
            )
            for event in events
        ]
