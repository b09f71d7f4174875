"""Scoring's tables: who is who, what was heard, and what it sums up to."""

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
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

metadata = MetaData()
_moment = DateTime(timezone=True)
_bytes = Text(collation="C")  # ids and versions: no language sorts them

identity = Table(
    "identity",
    metadata,
    Column("subject_id", _bytes, primary_key=True),
    Column("kind", Text, comment="email, user or anonymous; null where only its erasure is known."),
    Column("lead_id", Uuid, index=True, comment="Null: nobody's since its erasure."),
    Column("erased_before", _moment, comment="The tombstone: what was received before is dropped."),
    comment="Subject → lead: the only place where identifiers meet.",
)

lead = Table(
    "lead",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("known_by", Text, nullable=False, comment="Its strongest identifier: email, user or anonymous."),
    Column("cycle", Integer, nullable=False),
    Column("cycle_from", _moment, comment="Signals count what occurred after it."),
    Column("cool_until", _moment, comment="Only a hand-raise qualifies before."),
    Column("qualified_at", _moment, comment="In this cycle."),
    Column("due_at", _moment, comment="Judge it again then, though nothing happens."),
    Column("playbook_version", _bytes, nullable=False, comment="Summed under it; '' = to be summed again."),
    Column("grade", Text, comment="As lead.scored told last."),
    Column("level", SmallInteger),
    Column("said", JSON, comment="The score told last."),
    Column("outcome", JSON, nullable=False, comment="Earlier owners; why it is disqualified."),
    Column("sums", JSON, nullable=False, comment="Facts, signals, hand-raise and fit; personal data."),
    Column("created_at", _moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("partings", Integer, nullable=False, server_default=text("0"), comment="Unmerges that took subjects away."),
    Column("company", _bytes, comment="Its domain, where we know who the lead is."),
    Column("active_at", _moment, comment="The day of the last touchpoint by a person."),
    Index("lead_company", "company", "active_at", postgresql_where=text("company is not null")),
    Index("lead_due", "due_at", postgresql_where=text("due_at is not null")),
    Index("lead_version", "playbook_version"),
    comment="One row per person, rewritten at each touchpoint.",
    postgresql_with={"fillfactor": 75},
)

handled = Sequence("handled", metadata=metadata)  # in which order what concerns one lead took effect
_nr = handled.next_value()

touchpoint = Table(
    "touchpoint",
    metadata,
    Column("touchpoint_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("subject_id", _bytes, nullable=False, comment="The strongest one: it decided the lead."),
    Column("type", Text, nullable=False),
    Column("machine", Boolean, nullable=False),
    Column("occurred_at", _moment, nullable=False),
    Column("received_at", _moment, nullable=False),
    Column("event", JSON, nullable=False, comment="touchpoint.recorded as it came: scores are summed from it again."),
    Column("found", Text, comment="How history proved it a machine's."),
    Column("nr", BigInteger, nullable=False, server_default=_nr),
    Column("handled_at", _moment, nullable=False, server_default=text("clock_timestamp()")),
    Index("touchpoint_of_lead", "lead_id", "occurred_at"),
    comment="Every touchpoint, kept and shown also where it is not scored.",
)

redirect = Table(
    "redirect",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("survivor", Uuid, nullable=False, index=True),
    comment="A lead that went into another one, until it is taken out of it again; never a chain.",
)

company_due = Table(
    "company_due",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("company", _bytes, nullable=False),
    comment="Companies whose people are to be judged again: their group is newer than it was.",
)

mql = Table(
    "mql",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False, comment="As it was told; it may have gone into another since."),
    Column("cycle", Integer, nullable=False),
    Column("at", _moment, nullable=False),
    Column("cell", Text, nullable=False),
    Column("persona", Text),
    Column("source", Text),
    Column("trigger", JSON, nullable=False),
    Column("contributions", JSON, nullable=False, comment="Every reason with its points."),
    Column(
        "attributes", JSON, nullable=False, comment="What was known of the lead before the hand-off; personal data."
    ),
    Index("mql_of_lead", "lead_id", "cycle"),
    Index("mql_at", "at"),
    comment="Every MQL as it was told: simulations and learning compare with it.",
)

outcome = Table(
    "outcome",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False, comment="As sales knows it."),
    Column("cycle", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="accepted, rejected, won, lost, recycled, disqualified."),
    Column("reason", Text),
    Column("at", _moment, nullable=False),
    Column("until", _moment),
    Column("nr", BigInteger, nullable=False, server_default=_nr),
    Column("handled_at", _moment, nullable=False, server_default=text("clock_timestamp()")),
    Index("outcome_of_lead", "lead_id", "cycle"),
    comment="What sales said of the leads it was given.",
)

learnt = Table(
    "learnt",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("chance", Float, nullable=False, comment="That sales accepts it, as the model of `at` says."),
    Column("reasons", JSON, nullable=False, comment="By how much the chance would change, were it as usual in that."),
    Column("model", Text, nullable=False),
    Column("at", _moment, nullable=False),
    comment="What `python -m scoring learn` said of MQLs that sales has not answered; personal data.",
)

rescoring = Table(
    "rescoring",
    metadata,
    Column("paused_at", _moment, nullable=False),
    Column("paused_by", Text, nullable=False),
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    comment="One row while the background leaves leads of an older playbook alone; else none.",
)

merge = Table(
    "merge",
    metadata,
    Column("merge_id", Uuid, primary_key=True),
    Column("survivor", Uuid, nullable=False, index=True),
    Column("loser", Uuid, nullable=False, index=True),
    Column("at", _moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("kept", JSON, nullable=False, comment="Both as they were, and what was the loser's; personal data."),
    Column("undone_at", _moment),
    Column("undone_by", Text),
    Column("nr", BigInteger, nullable=False, server_default=_nr),
    comment="Merges that a person asked for, with what it takes to undo them.",
)
