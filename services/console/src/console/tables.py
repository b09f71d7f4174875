"""The console's tables: the playbook's publications, every event once, and the read models made of them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
_time = DateTime(timezone=True)

draft = Table(
    "draft",
    metadata,
    Column("version", Text, primary_key=True),
    Column("documents", JSONB, nullable=False),
    Column("approvals", JSONB, nullable=False),
    Column("at", _time, nullable=False),
    Column("by", Text, nullable=False),
    comment="Playbooks that wait for an approval; gone when published.",
)

publication = Table(
    "publication",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("documents", JSONB, nullable=False),
    Column("approvals", JSONB, nullable=False),
    Column("at", _time, nullable=False),
    Column("by", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    comment="Every revision of the agreement; the highest is active. A revert is a new revision of an old version.",
)

event = Table(
    "event",
    metadata,
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("lead_id", Uuid, comment="Of a touchpoint: as lead.identified filed it; null until then."),
    Column("subject_id", Text, comment="Of a touchpoint: its strongest subject."),
    Column("at", _time, nullable=False, comment="When it happened; of a touchpoint: occurred_at."),
    Column("rank", SmallInteger, nullable=False, comment="Cause before effect among events of one instant."),
    Column("data", JSONB, nullable=False),
    Index("event_of_lead", "lead_id", "at", "rank", "seq"),
    Index("event_of_subject", "subject_id", postgresql_where=text("subject_id is not null")),
    Index("event_of_type", "type", "at"),
    comment="Every event, once. Written under one lock: seq is the order of commits, and streams resume by it.",
)

subject = Table(
    "subject",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("lead_id", Uuid, nullable=False, index=True),
    Column("at", _time, nullable=False),
    comment="Whose a subject is, as scoring last said.",
)

filing = Table(
    "filing",
    metadata,
    Column("touchpoint_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False, index=True),
    Column("at", _time, nullable=False),
    comment="Touchpoints that lead.identified named: they belong to that lead whatever their own subject says.",
)

lead = Table(
    "lead",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("known", JSONB, nullable=False, comment="Field → [at, value]: the newest that any event said."),
    Column("search", Text, nullable=False, comment="Name, e-mail and company, without case and accents."),
    Column("cycle", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("cell", Text),
    Column("score", JSONB),
    Column("score_at", _time),
    Column("level_until", _time),
    Column("subjects", Integer, nullable=False),
    Column("first_at", _time, nullable=False),
    Column("newest_at", _time, nullable=False),
    Column("merged_into", Uuid, comment="This lead is now that one."),
    Index("lead_newest", "first_at"),
)

trip = Table(
    "trip",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("stage", Text, nullable=False),
    Column("started_at", _time, nullable=False, index=True),
    Column("mql_at", _time, index=True),
    Column("assigned_at", _time, comment="First handed to a rep.", index=True),
    Column("accepted_at", _time),
    Column("contacted_at", _time),
    Column("opportunity_at", _time),
    Column("won_at", _time),
    Column("lost_at", _time),
    Column("rejected_at", _time),
    Column("rejected_version", Integer),
    Column("returned_at", _time, comment="Rejected, and not passed on to the next team."),
    Column("recycled_at", _time),
    Column("disqualified_at", _time),
    Column("waiting_at", _time, comment="Last put into the waiting queue."),
    Column("owner_at", _time, comment="When the present owner got it.", index=True),
    Column("paused_at", _time),
    Column("resumed_at", _time),
    Column("assignment_id", Uuid),
    Column("version", Integer, nullable=False),
    Column("team", Text),
    Column("rep", Text),
    Column("rep_name", Text),
    Column("persona", Text),
    Column("cell", Text, comment="When qualified."),
    Column("trigger", Text),
    Column("amount", Numeric),
    Column("currency", Text),
    Column("reason", Text, comment="Why rejected, lost, recycled or disqualified: the last one said."),
    Column("reason_at", _time),
    comment="One cycle of a lead through the funnel: when it reached what, and who owns it.",
)

clock = Table(
    "clock",
    metadata,
    Column("clock_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False, index=True),
    Column("cycle", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("version", Integer),
    Column("rep", Text),
    Column("team", Text),
    Column("started_at", _time),
    Column("due_at", _time),
    Column("target_seconds", Float),
    Column("warned_at", _time),
    Column("breaches", JSONB, nullable=False, comment="Event id → fired_at, without those retracted."),
    Column("breached_at", _time, index=True, comment="The earliest of them."),
    Column("met_at", _time),
    Column("late", Boolean),
    Column("over", Boolean, nullable=False, comment="Met, or ended with its cycle or its assignment's version."),
    Index("clock_running", "due_at", postgresql_where=text("not over")),
    comment="SLA clocks as sla-monitor speaks of them. One also ends with its cycle, or its assignment's version.",
)

erased = Table(
    "erased",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("at", _time, nullable=False),
    Column("by", Text, nullable=False),
    comment="Tombstones and audit log in one: lead ID erased by USER.",
)

erased_subject = Table(
    "erased_subject",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("received_before", _time, nullable=False),
    comment="Touchpoints of these subjects received before that moment are dropped, however late they come.",
)

session = Table(
    "session",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="SHA-256 of the cookie."),
    Column("token", Text, nullable=False, comment="SHA-256 of the API token that opened it; it dies with it."),
    Column("csrf", Text, nullable=False),
    Column("until", _time, nullable=False),
    comment="Open sessions of the pages.",
)
