"""`@on(A, B, …)`: what a service does when something happened."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from relevo.events import Event, Topic
from relevo.stream.transaction import Transaction

Handle = Callable[[Transaction, Sequence[Any]], Awaitable[Sequence[Event] | None]]


@dataclass(frozen=True)
class Handler:
    """A function over a batch of events and a transaction; the events it returns are the events it causes."""

    handle: Handle
    events: tuple[type[Event], ...]
    name: str

    async def __call__(self, tx: Transaction, events: Sequence[Any]) -> Sequence[Event]:
        return await self.handle(tx, events) or ()


def on(*events: type[Event]) -> Callable[[Handle], Handler]:
    """The function below receives these events, in offset order, as one sequence. It holds no retries, no
    de-duplication and no Kafka: the runtime has seen to that."""

    def wrap(handle: Handle) -> Handler:
        return Handler(handle, events, getattr(handle, "__name__", "handler"))

    return wrap


@dataclass(frozen=True)
class Handlers:
    """The handlers of one service by event type; each type has one handler."""

    by_type: dict[str, tuple[type[Event], Handler]]

    @property
    def topics(self) -> tuple[Topic, ...]:
        return tuple({event.topic.name: event.topic for event, _ in self.by_type.values()}.values())


def index(handlers: Iterable[Handler]) -> Handlers:
    """Raises ValueError where two handlers want the same event: their order would be nobody's decision."""
    by_type: dict[str, tuple[type[Event], Handler]] = {}
    for handler in handlers:
        for event in handler.events:
            if event.type in by_type:
                raise ValueError(f"{event.type} has two handlers: {by_type[event.type][1].name} and {handler.name}")
            by_type[event.type] = (event, handler)
    return Handlers(by_type)
