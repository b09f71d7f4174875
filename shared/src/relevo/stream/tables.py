"""The runtime's own tables, the same in every service's database (migrations in `relevo.stream.migrations`)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_now = DateTime(timezone=True)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("at", _now, nullable=False, index=True),
    comment="Events whose effects are in this database; kept one day longer than their topic.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("trace", Text),
    Column("value", LargeBinary, nullable=False),
    comment="Events to be published, lowest id first; a row is deleted when Kafka has acknowledged it.",
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("header_names", ARRAY(Text), nullable=False),
    Column("header_values", ARRAY(LargeBinary), nullable=False),
    Column("value", LargeBinary),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("at", _now, nullable=False),
    comment="Records that could not be read, or failed their handler three times, as they came.",
)

position = Table(
    "position",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    comment="How far each partition is applied here: written in the transaction of the effects.",
)

playbook = Table(
    "playbook",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("documents", JSONB, nullable=False),
    Column("problem", Text, comment="Why this service refuses it; the last good one stays active."),
    Column("at", _now, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True, comment="Who, what and the Idempotency-Key."),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("answer", LargeBinary),
    Column("at", _now, nullable=False, index=True),
    comment="Answers of writes, kept 72 hours.",
)

clock_shift = Table(
    "clock_shift",
    metadata,
    Column("one", Boolean, primary_key=True),
    Column("shift", Interval, nullable=False),
    comment="Time travel of local mode and tests: added by relevo_now().",
)
