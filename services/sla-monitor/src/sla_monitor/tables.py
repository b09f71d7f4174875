"""sla-monitor's tables: leads to lock, how each trip stands, every clock and breach, what both teams committed to."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

metadata = MetaData()
_time = DateTime(timezone=True)
_bytes = Text(collation="C")  # a version: no language sorts it

lead = Table(
    "lead",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("erased_at", _time, comment="The tombstone: nothing is promised to this lead any more."),
    comment="The row that whoever says something of a lead has locked, so that its events commit in order.",
)

standing = Table(
    "standing",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("cycle", Integer, primary_key=True),
    Column("mql_at", _time, nullable=False),
    Column("team", Text, nullable=False),
    Column("rep", Text, comment="Null while it waits."),
    Column("rep_calendar", Text, comment="As handoff named it."),
    Column("assignment_id", Uuid),
    Column("version", Integer, nullable=False, comment="Of the assignment; 0 until somebody gets it."),
    Column("tries", Integer, nullable=False, comment="How often a step took it from a rep."),
    Column("manager", Boolean, nullable=False),
    Column("contacted", Boolean, nullable=False),
    Column("about", JSON, nullable=False, comment="What policies may ask of the lead, by variable; personal data."),
    Column("reviewed_at", _time, comment="When sales first took it, or sent it back for good."),
    Column("accepted", Boolean, comment="Which of the two."),
    Index("standing_reviewed", "reviewed_at", postgresql_where=text("reviewed_at is not null")),
    comment="One lead's trip through sales: how it stands.",
)

clock = Table(
    "clock",
    metadata,
    Column("clock_id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), unique=True, comment="The order of lists."),
    Column("lead_id", Uuid, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("state", Text, nullable=False, comment="running, paused, breached (and still running), met, ended."),
    Column("version", Integer, nullable=False, comment="Of the assignment; 0 while nobody has had it."),
    Column("rep", Text),
    Column("team", Text, nullable=False),
    Column("assignment_id", Uuid),
    Column("calendar", Text, nullable=False, comment="Whose hours count, in the playbook of `playbook`."),
    Column("playbook", _bytes, nullable=False, comment="Version it runs under."),
    Column("started_at", _time, nullable=False),
    Column("due_at", _time, comment="Of the target, as told last."),
    Column("next_due", _time, comment="When its next step is due; null where nothing comes by itself."),
    Column("closed_at", _time),
    Column("late", Boolean),
    Column("trace", Text),
    Column("problem", Text, comment="Why its times cannot be reckoned."),
    Column("changed_at", _time, nullable=False, comment="When something was last heard of it."),
    Column("body", JSON, nullable=False, comment="The clock whole, as `clock.py` knows it."),
    Column("counted_at", _time, comment="When the promise was kept or broken, for the commitments of both teams."),
    Column("kept", Boolean, comment="Which of the two."),
    Index("clock_due", "next_due", "clock_id", postgresql_where=text("next_due is not null")),
    Index("clock_of_lead", "lead_id", "cycle"),
    Index("clock_of_rep", "rep", "seq"),
    Index("clock_open", "playbook", postgresql_where=text("state in ('running', 'paused', 'breached')")),
    Index("clock_counted", "kind", "counted_at", "team", "kept", postgresql_where=text("counted_at is not null")),
    comment="Every promise made to a lead, with its deadlines.",
)

breach = Table(
    "breach",
    metadata,
    Column("event_id", Uuid, primary_key=True, comment="Of its sla.breached."),
    Column("seq", BigInteger, Identity(always=True), unique=True, comment="The order of lists."),
    Column("clock_id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("assignment_id", Uuid),
    Column("version", Integer),
    Column("rep", Text, comment="The owner of that time."),
    Column("team", Text),
    Column("step", Integer, nullable=False),
    Column("act", Text, comment="What its event called `do`."),
    Column("target", Boolean, nullable=False, comment="Whether the target passed here; else it is a step after that."),
    Column("due_at", _time, nullable=False),
    Column("fired_at", _time, nullable=False),
    Column("lateness_seconds", Float, nullable=False),
    Column("late_because", Text),
    Column("elapsed_seconds", Float, nullable=False),
    Column("corrected_at", _time, comment="Taken back: an act from before the deadline came to be known."),
    Column("acted_at", _time),
    Index("breach_of_lead", "lead_id"),
    Index("breach_of_rep", "rep", "seq"),
    comment="Every sla.breached that was said; one that was taken back stays, marked.",
)

mql = Table(
    "mql",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("cycle", Integer, primary_key=True),
    Column("at", _time, nullable=False),
    Column("complete", Boolean, nullable=False, comment="Its data, as the playbook of that moment asked for them."),
    Index("mql_at", "at"),
    comment="What marketing delivered.",
)

merge = Table(
    "merge",
    metadata,
    Column("merge_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, primary_key=True, comment="Under whose key this half was told."),
    Column("cycle", Integer, nullable=False, comment="Of that lead."),
    Column("survivor", Uuid, nullable=False),
    Index("merge_of_lead", "lead_id"),
    comment="Merges, by halves: joined when both have been heard.",
)

counted = Table(
    "counted",
    metadata,
    Column("counts", Text, nullable=False, comment="mql, review, or the kind of a clock."),
    Column("at", _time, nullable=False),
    Column("team", Text),
    Column("kept", Boolean, nullable=False),
    Index("counted_at", "counts", "at"),
    comment="What the commitments counted of leads that were erased since: figures without a person.",
)

commitment = Table(
    "commitment",
    metadata,
    Column("commitment", Text, primary_key=True),
    Column("period_from", _time, primary_key=True),
    Column("period_to", _time, nullable=False),
    Column("state", Text, nullable=False),
    Column("actual", Float, nullable=False),
    Column("since", _time, nullable=False, comment="Since when it has been in that state."),
    Column("said_at", _time, nullable=False),
    comment="What was said last of each commitment, by period.",
)
