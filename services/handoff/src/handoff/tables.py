"""handoff's tables: leads and who has them, decisions, the teams' counters, the reps' day, endpoints, deliveries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_time = DateTime(timezone=True)

lead = Table(
    "lead",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("erased_at", _time, comment="A tombstone: nothing of this lead is taken in again."),
    comment="The row that whoever says something of a lead has locked, so that its events commit in order.",
)

assignment = Table(
    "assignment",
    metadata,
    Column("assignment_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("version", Integer, nullable=False, comment="0 until somebody gets it; each change of owner is the next."),
    Column("stage", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("recycled", Boolean, nullable=False),
    Column("team", Text, nullable=False),
    Column("rep", Text, comment="Who owns it, or owned it last; null while it waits."),
    Column("manager", Boolean, nullable=False),
    Column("rule", Text, nullable=False),
    Column("decision_id", Uuid),
    Column("priority", Integer, nullable=False),
    Column("because", Text, nullable=False),
    Column("previous_rep", Text),
    Column("owners", ARRAY(Text), nullable=False, comment="Reps who had it in this cycle."),
    Column("not_teams", ARRAY(Text), nullable=False, comment="Teams that said: not our geography."),
    Column("reassigned", Integer, nullable=False, comment="How often a step took it from a rep."),
    Column("mql_at", _time, nullable=False),
    Column("assigned_at", _time),
    Column("changed_at", _time, nullable=False),
    Column("reason", Text, comment="Of the rejection, loss or recycling."),
    Column("note", Text),
    Column("until", _time),
    Column("opportunity_id", Text),
    Column("amount", Numeric),
    Column("currency", Text),
    Column("trace", Text, comment="Of the touchpoint that made it an MQL: whatever follows belongs to it."),
    Column("company_domain", Text),
    Column("about", JSONB, nullable=False, comment="What lead.qualified said: score, trigger, reasons, snapshot."),
    UniqueConstraint("lead_id", "cycle"),
    comment="One lead's trip through sales: one row per lead and cycle.",
)
Index(
    "assignment_queue",
    assignment.c.team,
    assignment.c.priority.desc(),
    assignment.c.mql_at,
    postgresql_where=text("stage = 'waiting'"),
)
Index("assignment_of_rep", assignment.c.rep, assignment.c.assignment_id)
Index(
    "assignment_of_company",
    assignment.c.company_domain,
    assignment.c.assigned_at.desc(),
    postgresql_where=text("company_domain is not null and rep is not null"),
)

merge = Table(
    "merge",
    metadata,
    Column("merge_id", Uuid, primary_key=True),
    Column("lead_id", Uuid, primary_key=True, index=True),
    Column("survivor", Uuid, nullable=False),
    Column("cycle", Integer, nullable=False, comment="Of this lead."),
    comment="Merges, by the leads whose half has come; who asks for a loser is shown its survivor's.",
)

decision = Table(
    "decision",
    metadata,
    Column("decision_id", Uuid, primary_key=True),
    Column("assignment_id", Uuid, nullable=False, index=True),
    Column("lead_id", Uuid, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("version", Integer, nullable=False, comment="Of the assignment; 0 where nobody had it yet and it waits."),
    Column("team", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rep", Text, comment="Null: nobody was eligible, it waits."),
    Column("because", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("playbook_version", Text, nullable=False),
    Column("record", JSONB, nullable=False, comment="Every rep with counters, share and failed tests; failed rules."),
    comment="Why a lead went to that rep. Holds nothing of the person.",
)
Index("decision_of_rep", decision.c.rep, decision.c.at, postgresql_where=text("rep is not null"))

team = Table(
    "team",
    metadata,
    Column("team_id", Text, primary_key=True),
    comment="The lock: who gives a team's leads away holds its row.",
)

counter = Table(
    "counter",
    metadata,
    Column("team", Text, primary_key=True),
    Column("rep", Text, primary_key=True),
    Column("assigned", BigInteger, nullable=False),
    Column("target", Float, nullable=False),
    Column("last_at", _time),
    comment="What each rep of a team got, and should have got; survives membership, weights and publications.",
)

rep = Table(
    "rep",
    metadata,
    Column("rep_id", Text, primary_key=True),
    Column("open_leads", Integer, nullable=False, server_default="0"),
    comment="The rep's load.",
)

away = Table(
    "away",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rep", Text, nullable=False, index=True),
    Column("from_at", _time, nullable=False),
    Column("until_at", _time),
    Column("source", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("uid", Text, comment="Of the calendar's entry: the file is the whole truth of its own entries."),
    comment="When a rep takes no leads, [from, until); open where until is null.",
)

spare = Table(
    "spare",
    metadata,
    Column("rep", Text, primary_key=True),
    Column("capacity", Integer, nullable=False),
    Column("until_at", _time, nullable=False),
    Column("by", Text, nullable=False),
    comment="A rep's capacity for a while, instead of the playbook's.",
)

endpoint = Table(
    "endpoint",
    metadata,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("target", Text, CheckConstraint("target in ('rep', 'team', 'all')"), nullable=False),
    Column("target_id", Text),
    Column("kind", Text, nullable=False, server_default="webhook"),
    Column("url", Text, comment="Null where the kind knows its own address."),
    Column("options", JSONB, nullable=False, server_default="{}", comment="What else its kind needs to know."),
    Column("secrets", ARRAY(Text), nullable=False, comment="Sealed; newest first, two while one is being replaced."),
    Column("overlap_until", _time, comment="The older secret signs too, until then."),
    Column("types", ARRAY(Text), nullable=False),
    Column("created_at", _time, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", _time),
    Column("disabled_because", Text),
    Column("removed_at", _time),
    Column("failures", Integer, nullable=False, server_default="0", comment="In a row; from five on it is spared."),
    Column("failing_since", _time),
    Column("spared_until", _time, comment="One try then, and all the rest if it succeeds."),
    Column("replay_to", BigInteger, comment="Up to this `seq` one at a time, in order: what was held."),
    CheckConstraint("(target = 'all') = (target_id is null)"),
    comment="Where notices go.",
)

delivery = Table(
    "delivery",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("delivery_id", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    Column("webhook_id", Text, nullable=False),
    Column("endpoint_id", Uuid, ForeignKey("endpoint.endpoint_id"), nullable=False),
    Column("lead_id", Uuid, index=True, comment="Null: a test of the endpoint."),
    Column("cycle", Integer),
    Column("assignment_id", Uuid, index=True),
    Column("version", Integer),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False, comment="As it is signed and sent, the same at every try."),
    Column("state", Text, CheckConstraint("state in ('pending', 'made', 'failed')"), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due_at", _time, nullable=False),
    Column("leased_until", _time, comment="By the real clock: a sender is at it."),
    Column("created_at", _time, nullable=False),
    Column("first_try_at", _time),
    Column("last_try_at", _time),
    Column("status", Integer),
    Column("error", Text),
    Column("trace", Text),
    Column("rep", Text, comment="Whose notice it is."),
    Column("remote", JSONB, comment="What it became there: ids of a contact, of a task."),
    UniqueConstraint("endpoint_id", "webhook_id"),
    comment="Every notice to every endpoint, and what became of it.",
)
Index(
    "delivery_due",
    delivery.c.endpoint_id,
    delivery.c.due_at,
    delivery.c.seq,
    postgresql_where=text("state = 'pending'"),
)
Index("delivery_leased", delivery.c.endpoint_id, postgresql_where=text("leased_until is not null"))
Index("delivery_contact", text("(remote->>'contact')"), postgresql_where=text("remote is not null"))

attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", Uuid, ForeignKey("delivery.delivery_id", ondelete="cascade"), primary_key=True),
    Column("at", _time, primary_key=True, comment="By the real clock."),
    Column("took_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("sent", JSONB, nullable=False, comment="Headers of the request that are no secret."),
    Column("answered", JSONB, nullable=False, comment="Headers of the answer that help to mend it."),
    Column("answer", Text, comment="The first 4 KiB of its body."),
    comment="The log of every try.",
)

link = Table(
    "link",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("lead_id", Uuid, nullable=False, index=True),
    Column("assignment_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("act", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("until_at", _time, nullable=False, index=True),
    Column("used_at", _time),
    comment="One-click answers: one version, one act, once.",
)
