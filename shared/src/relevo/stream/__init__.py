"""The stream: handlers over batches of events in a transaction; inbox, outbox, relay, consumer, dead letters.

A handler takes a batch of events and a transaction, and returns the events it causes. The runtime does the rest: inbox
(seen before?), handler, outbox, one commit, then the Kafka offset.
"""

from relevo.stream.handlers import Handler, on
from relevo.stream.transaction import Database, NoPlaybook, Transaction, connect

__all__ = ["Database", "Handler", "NoPlaybook", "Transaction", "connect", "on"]
