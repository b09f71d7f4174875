"""Set-based SQL of what surrounds a lead: what it did with the mails it clicked, who of its company is active."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook
from relevo.stream import Transaction
from scoring.companies import MOST
from scoring.lead import Lead
from scoring.machines import TYPES, mail_of
from scoring.moments import micros
from scoring.queries import fetch, lock
from scoring.rows import to_event

_MAILS = (
    "select event, found from touchpoint where lead_id = any($1::uuid[]) and type = any($2::text[])"
    " and event->'what'->>'message_id' = any($3::text[]) and touchpoint_id <> all($4::uuid[])"
)
_MARK = (
    "update touchpoint set found = m.because from unnest($1::uuid[], $2::text[]) as m(id, because)"
    " where touchpoint_id = m.id"
)


async def mails(
    tx: Transaction, lead_ids: Collection[UUID], touchpoints: Sequence[TouchpointRecorded]
) -> list[TouchpointRecorded]:
    """What these leads were heard to do with the mails that these touchpoints are about, but for these themselves."""
    messages = {mail[1] for touch in touchpoints if (mail := mail_of(touch)) is not None}
    if not messages:
        return []
    ids = [touch.touchpoint_id for touch in touchpoints]
    rows = await fetch(tx, _MAILS, list(lead_ids), list(TYPES), list(messages), ids)
    return [to_event(event, machine) for event, machine in rows]


async def mark(tx: Transaction, found: Mapping[UUID, str]) -> None:
    """Keep which clicks history proved a machine's, and how."""
    if found:
        await tx.driver_sql(_MARK, list(found), list(found.values()))


_COLLEAGUES = (
    "select c.company, p.leads, p.active from unnest($1::text[]) as c(company) cross join lateral"
    " (select array_agg(lead_id) as leads, array_agg(active_at) as active from"
    " (select lead_id, active_at from lead where company = c.company and active_at is not null"
    " order by active_at desc limit $2) as l) as p where p.leads is not null"
)
_DUE_AGAIN = "insert into company_due (company) select * from unnest($1::text[])"
_OF_COMPANIES_DUE = (
    "delete from company_due where id in (select id from company_due order by id limit $1 for update skip locked)"
    " returning company"
)
_PEOPLE = (
    "select lead_id from lead where company = any($1::text[]) and qualified_at is null order by active_at desc limit $2"
)


async def colleagues(tx: Transaction, companies: Collection[str], playbook: Playbook) -> list[tuple[str, UUID, int]]:
    """Who of these companies was last active when; nobody where the playbook does not ask."""
    if not companies or not playbook.scoring.companies:
        return []
    rows = await fetch(tx, _COLLEAGUES, list(companies), MOST)
    return [
        (company, lead_id, micros(at))
        for company, leads, active in rows
        for lead_id, at in zip(leads, active, strict=True)
    ]


async def due_again(tx: Transaction, companies: Collection[str]) -> None:
    """The people of these companies are to be judged again: by the loop, which waits for their locks as it should."""
    if companies:
        await tx.driver_sql(_DUE_AGAIN, sorted(companies))


async def lock_people(tx: Transaction, at_once: int, at_most: int) -> dict[UUID, Lead]:
    """The people, not with sales yet, of companies that are due, locked; `at_most` of those active last."""
    companies = set((await tx.driver_sql(_OF_COMPANIES_DUE, at_once)).scalars())
    if not companies:
        return {}
    return await lock(tx, set((await tx.driver_sql(_PEOPLE, list(companies), at_most)).scalars()))
