"""Replays the recorded history under two playbooks, in processes of their own: the stream does not feel it."""

import asyncio
import gc
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from relevo.events import TouchpointRecorded
from relevo.playbook import Playbook, load
from scoring.comparison import compare
from scoring.replay import Answered, Heard, Joined, Step, WouldBe, replay, same_people
from scoring.rows import to_event
from scoring.simulation import Share, Simulation, Told, mqls, verdicts

LEADS_AT_ONCE: Final = 500

# Workers are forked off a process without threads that has all this imported, and that waits for the next simulation.
_PROCESSES: Final = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])

Documents = Mapping[str, str]


class Job(NamedTuple):
    dsn: str
    current: Documents
    candidate: Documents
    since: datetime
    until: datetime


class Chunk(NamedTuple):
    """Leads of a range of companies, or of a range of leads without one, or of all companies that have several domains
    under either playbook. `which`: the arguments of that statement of _LEADS."""

    by: Literal["company", "lead_id", "aliases"]
    which: tuple[Any, ...]
    leads: int


class Progress(NamedTuple):
    done: int
    of: int


async def simulate(job: Job, processes: int | None = None) -> AsyncGenerator[Progress | Simulation, None]:
    """How many leads are done, again and again, and at last the result. Whoever stops reading stops the work."""
    current, candidate = load(job.current), load(job.candidate)
    chunks = await _chunks(job.dsn, sorted(current.company.aliased | candidate.company.aliased))
    leads = sum(chunk.leads for chunk in chunks)
    shares: list[Share] = []
    yield Progress(0, leads)
    workers = max(1, min(processes or os.cpu_count() or 1, len(chunks)))
    pool = ProcessPoolExecutor(workers, _PROCESSES, _begin, (job,))
    try:
        loop = asyncio.get_running_loop()
        for share in asyncio.as_completed([loop.run_in_executor(pool, _work, chunk) for chunk in chunks]):
            shares.append(await share)
            yield Progress(sum(each.leads for each in shares), leads)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    zone = ZoneInfo(current.company.zone)

    def monday(moment: datetime) -> datetime:
        day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=day.weekday())

    yield compare(shares, (current.version, candidate.version), job.since, job.until, monday)


_COMPANIES = (
    "select company, count(*) from lead where company is not null and company <> all($1::text[])"
    " group by company order by company"
)
_ALONE = (
    "select lead_id from (select lead_id, row_number() over (order by lead_id) - 1 as n from lead"
    " where company is null) as l where n % $1 = 0 order by lead_id"
)
_HOW_MANY = "select count(*) from lead where company is null"
_OF_SEVERAL = "select count(*) from lead where company = any($1::text[])"


async def _chunks(dsn: str, aliased: list[str]) -> list[Chunk]:
    """The leads in shares of about LEADS_AT_ONCE; a company's people stay together."""
    connection = await asyncpg.connect(dsn)
    try:
        bounds: list[tuple[str, int]] = []
        for company, people in await connection.fetch(_COMPANIES, aliased):
            if not bounds or bounds[-1][1] >= LEADS_AT_ONCE:
                bounds.append((company, 0))
            bounds[-1] = (bounds[-1][0], bounds[-1][1] + people)
        ends = [first for first, _ in bounds[1:]] + [None]
        chunks = [
            Chunk("company", (first, end, aliased), people)
            for (first, people), end in zip(bounds, ends[: len(bounds)], strict=True)
        ]
        ids = [row[0] for row in await connection.fetch(_ALONE, LEADS_AT_ONCE)]
        alone = await connection.fetchval(_HOW_MANY)
        for number, first in enumerate(ids):
            end = ids[number + 1] if number + 1 < len(ids) else None
            leads = LEADS_AT_ONCE if end is not None else alone - number * LEADS_AT_ONCE
            chunks.append(Chunk("lead_id", (first, end), leads))
        if several := await connection.fetchval(_OF_SEVERAL, aliased):
            chunks.append(Chunk("aliases", (aliased,), several))
        return chunks
    finally:
        await connection.close()


# In the worker: what it was begun with.
_job: Job
_playbooks: tuple[Playbook, Playbook]


def _begin(job: Job) -> None:
    global _job, _playbooks
    _job, _playbooks = job, (load(job.current), load(job.candidate))
    gc.freeze()  # what is here now stays: looking through it after each share takes a tenth of the time
    gc.disable()  # a share dies as a whole: looking for garbage meanwhile takes a quarter of the time and finds none


def _work(chunk: Chunk) -> Share:
    try:
        return asyncio.run(_share(chunk))
    finally:
        gc.collect()


_LEADS = {
    "company": "select lead_id, company from lead where company >= $1 and ($2::text is null or company < $2)"
    " and company <> all($3::text[])",
    "lead_id": "select lead_id, company from lead where company is null and lead_id >= $1"
    " and ($2::uuid is null or lead_id < $2)",
    "aliases": "select lead_id, 'all of them' from lead where company = any($1::text[])",
}
_HEARD = "select nr, handled_at, lead_id, event from touchpoint where lead_id = any($1::uuid[])"
_WHOSE = "select subject_id, lead_id from identity where lead_id = any($1::uuid[])"
_WENT = "select lead_id, survivor from redirect where survivor = any($1::uuid[])"
# $1 and $2: each id a lead ever had, and the one it has now.
_ANSWERED = (
    "select o.nr, o.handled_at, ids.now, o.kind, o.cycle, o.at, o.until, o.reason, o.lead_id,"
    " (select (m.trigger->>'touchpoint_id')::uuid from mql m where (m.lead_id, m.cycle) = (o.lead_id, o.cycle) limit 1)"
    " from outcome o join unnest($1::uuid[], $2::uuid[]) as ids(id, now) on o.lead_id = ids.id"
)
_JOINED = (
    "select m.nr, m.at, ids.now, m.loser, m.kept->'subjects', m.kept->'beside' from merge m"
    " join unnest($1::uuid[], $2::uuid[]) as ids(id, now) on m.survivor = ids.id where undone_at is null"
)
_TOLD = (
    "select ids.now, m.cycle, m.at, m.cell, m.trigger from mql m"
    " join unnest($1::uuid[], $2::uuid[]) as ids(id, now) on m.lead_id = ids.id where m.at >= $3"
)


async def _share(chunk: Chunk) -> Share:
    connection = await asyncpg.connect(_job.dsn)
    try:
        company_of = dict(await connection.fetch(_LEADS[chunk.by], *chunk.which))
        ids = list(company_of)
        whose = dict(await connection.fetch(_WHOSE, ids))
        heard = [
            Heard(nr, at, _own(to_event(event), lead, whose), lead)
            for nr, at, lead, event in await connection.fetch(_HEARD, ids)
        ]
        now = {lead_id: lead_id for lead_id in ids} | dict(await connection.fetch(_WENT, ids))
        both = list(now), list(now.values())
        answered = [Answered(*row) for row in await connection.fetch(_ANSWERED, *both)]
        joined = [
            Joined(nr, at, lead, loser, frozenset(orjson.loads(subjects)), frozenset(orjson.loads(beside)))
            for nr, at, lead, loser, subjects, beside in await connection.fetch(_JOINED, *both)
        ]
        told = await connection.fetch(_TOLD, *both, _job.since)
    finally:
        await connection.close()
    stories: defaultdict[Any, list[Step]] = defaultdict(list)
    together = any(playbook.scoring.companies for playbook in _playbooks)
    steps: list[Step] = [*heard, *joined]
    steps += [each for each in answered if each.kind in ("recycled", "disqualified")]
    for each in steps:
        stories[(company_of[each.lead_id] if together else None) or each.lead_id].append(each)
    found: tuple[list[WouldBe], list[WouldBe]] = ([], [])
    failed = [0, 0]
    for story in stories.values():
        story.sort(key=lambda each: each.nr)
        people = same_people(story)
        for number, playbook in enumerate(_playbooks):
            would_be, failures = replay(story, people, playbook, _job.until)
            found[number].extend(each for each in would_be if each.at >= _job.since)
            failed[number] += failures
    current, candidate = mqls(found, _playbooks)
    return Share(
        leads=len(ids),
        touchpoints=len(heard),
        told=tuple(_told(row) for row in told),
        verdicts=verdicts((each.lead_id, each.kind) for each in answered if each.said_at >= _job.since),
        current=current,
        candidate=candidate,
        failed=(failed[0], failed[1]),
    )


def _own(touch: TouchpointRecorded, lead_id: UUID, whose: Mapping[str, UUID]) -> TouchpointRecorded:
    """The touchpoint without identifiers of others, which stay where they are: so each story is whole in itself."""
    if len(touch.subjects) == 1:
        return touch
    principal, *weaker = touch.subjects
    own = tuple(subject for subject in weaker if whose.get(subject.subject_id) == lead_id)
    return touch if len(own) == len(weaker) else touch.model_copy(update={"subjects": (principal, *own)})


def _told(row: Sequence[Any]) -> Told:
    lead_id, cycle, at, cell, trigger = row
    return Told(lead_id=UUID(bytes=lead_id.bytes), cycle=cycle, at=at, cell=cell, trigger=orjson.loads(trigger))
