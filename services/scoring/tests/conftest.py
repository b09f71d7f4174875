"""What scoring's tests share: a playbook small enough to reckon with by hand, touchpoints, and a real database."""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
import pytest_asyncio
import yaml

from relevo.events import TouchpointRecorded
from relevo.events.identity import STRENGTH, SubjectKind, subject_id
from relevo.events.touchpoints import Subject
from relevo.playbook import Playbook, load
from relevo.service import Settings
from relevo.service.web import Guard
from relevo.testing.kept import Kept, migrated_database
from scoring.batch import Judged, needs_history, walk
from scoring.identity import Place, resolve
from scoring.lead import Lead
from scoring.machines import mail_of, mark
from scoring.main import service

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning: moments in tests are minutes or days after it."""

DOCUMENTS = {
    "company.yaml": """
name: Test
zone: Europe/Madrid
currency: EUR
domains: [us.example]
fields:
  lead.job_title: {from: [cargo, job_title]}
  lead.country: {from: [pais]}
  company.employees: {from: [empleados]}
  company.is_customer: {from: [cliente]}
  company.machines: {type: int, from: [maquinas]}
""",
    # An A from 50 points on, a B from 20 on.
    "personas.yaml": """
personas:
  - id: operations
    name: Operations
    criteria:
      - {id: role, name: Runs operations, when: "lead.job_title.mentions(['operations'])", points: 30}
      - {id: size, name: 50 employees, when: "company.employees >= 50", points: 20}
      - {id: mail, name: Company mail, when: "lead.email_domain != '' && !lead.free_mail", points: 5}
    thresholds: {A: 50, B: 20}
  - id: owner
    name: Owner
    criteria:
      - {id: role, name: Owns it, when: "lead.job_title.mentions(['owner'])", points: 60}
    thresholds: {A: 50, B: 20}
""",
    # Hot from 40 points on, warm from 10 on.
    "scoring.yaml": """
signals:
  - {id: form, name: Form, on: form_submitted, points: 20, half_life: 10d, cap: 40}
  - {id: page, name: Page, on: page_viewed, points: 4, half_life: 5d, cap: 12}
  - {id: prices, name: Prices, on: page_viewed, when: "touch.path == '/prices'", points: 10, half_life: 5d, cap: 30}
  - {id: click, name: Click, on: email_clicked, points: 8, half_life: 5d, cap: 16}
  - {id: gone, name: Unsubscribed, on: email_unsubscribed, points: -15, half_life: 20d, cap: 15}
levels: {1: 40, 2: 10}
qualification:
  cells: [A1, A2]
  hand_raises:
    - {id: demo, name: Asks for a demo, on: form_submitted, when: "touch.form == 'demo'"}
exclusions:
  - {id: us, name: That is us, when: "company.is_us"}
  - {id: unsubscribed, name: Wants no mail, when: "lead.unsubscribed"}
  - {id: unreachable, name: No way to reach, when: "lead.email_domain == '' && !lead.has_phone"}
""",
    "routing.yaml": """
teams:
  - id: team
    name: Team
    manager: {id: boss, name: Boss, email: boss@us.example}
    calendar: office
    reps: [{id: ana, name: Ana, email: ana@us.example}]
rules:
  - {id: all, name: Everybody, when: "true", team: team}
""",
    "sla.yaml": """
calendars:
  - {id: office, zone: Europe/Madrid, hours: {mon: ["09:00-17:00"]}}
policies:
  - {id: answer, clock: answer, when: "true", target: 4h, calendar: team, ladder: [{at: 100%, do: accept}]}
""",
    "goals.yaml": "goals: []\n",
}

SOURCE = UUID("0b0f2a52-3c1e-5f53-8a55-6c2d3c9a4a11")


def touch(
    what: str = "page_viewed",
    *,
    who: str | Sequence[str] = "a:visitor",
    at: datetime = T0,
    name: str | None = None,
    received_at: datetime | None = None,
    path: str | None = None,
    form: str | None = None,
    message: str | None = None,
    link: str | None = None,
    fields: Mapping[str, str] | None = None,
    **more: Any,
) -> TouchpointRecorded:
    """A touchpoint of `who`: identifiers such as `a:visitor` (anonymous), `u:4711` (user), `ana@acme.example`."""
    subjects = sorted((_subject(each) for each in ([who] if isinstance(who, str) else who)), key=_strength)
    identity = uuid5(SOURCE, name) if name else uuid4()
    return TouchpointRecorded.model_validate(
        {
            "id": identity,
            "at": received_at or at,
            "by": "system",
            "touchpoint_id": identity,
            "subjects": subjects,
            "source": "web",
            "type": what,
            "fields": fields or {},
            "what": {
                "form": form,
                "url": f"https://us.example{path}" if path else None,
                "message_id": message,
                "link": link,
            },
            "occurred_at": at,
            "received_at": received_at or at,
            **more,
        }
    )


def _subject(who: str) -> Subject:
    kinds: dict[str, SubjectKind] = {"a": "anonymous", "u": "user"}
    kind, _, value = ("email", "", who) if "@" in who else who.partition(":")
    kind = kinds.get(kind, "email")
    return Subject(subject_id=subject_id(b"test", kind, value), kind=kind, value=value)


def _strength(subject: Subject) -> int:
    return STRENGTH[subject.kind]


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    return load(DOCUMENTS)


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    return dict(DOCUMENTS)


@pytest.fixture(scope="session")
def make() -> Callable[..., TouchpointRecorded]:
    return touch


class Memory:
    """Batch after batch as the handler takes them, with dictionaries for tables. Everybody has one identifier.
    `said`: what was judged, by the subject of the lead it was said of."""

    def __init__(self, playbook: Playbook, as_of: datetime) -> None:
        self.playbook, self.as_of = playbook, as_of
        self.leads: dict[UUID, Lead] = {}
        self.places: dict[str, Place] = {}
        self.heard: defaultdict[UUID, list[TouchpointRecorded]] = defaultdict(list)
        self.said: defaultdict[str, list[Any]] = defaultdict(list)

    def take_in(self, batch: Sequence[TouchpointRecorded]) -> None:
        begun: dict[str, UUID] = {}
        resolution = resolve(batch, self.places, lambda subject: begun.setdefault(subject, uuid4()))
        leads = {lead_id: self.leads[lead_id] for lead_id in resolution.leads & self.leads.keys()}
        mails = [touch for lead_id in leads for touch in self.heard[lead_id] if mail_of(touch) is not None]
        needed = needs_history(resolution, leads, mails, self.playbook)
        history = {lead_id: list(self.heard[lead_id]) for lead_id in needed}
        fresh = {touch.touchpoint_id for touch in batch}
        way = walk(resolution, leads, history, {}, fresh, self.playbook, self.as_of, mails=mails)
        self.leads |= way.leads
        for subject, (kind, lead_id) in resolution.tied.items():
            self.places[subject] = Place(lead_id, kind)
        for resolved in resolution.touchpoints:
            self.heard[resolved.lead_id].append(resolved.touchpoint)
        for lead_id, heard in self.heard.items():
            self.heard[lead_id] = [mark(touch, way.found.get(touch.touchpoint_id)) for touch in heard]
        subjects = {place.lead_id: subject for subject, place in self.places.items()}
        for each in way.said:
            if isinstance(each, Judged):
                judged = each.judgement
                told = (judged.old, judged.new, judged.trigger, judged.reasons, judged.level_until)
                self.said[subjects[judged.lead.lead_id]].append(told)


@pytest.fixture(scope="session")
def memory() -> type[Memory]:
    return Memory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """A migrated database to copy."""
    async with migrated_database(postgres, "scoring.migrations") as dsn:
        yield dsn


@pytest_asyncio.fixture
async def kept_twice(postgres: str, migrated: str) -> AsyncIterator[tuple[Kept, Kept]]:
    async with Kept.copied(postgres, migrated, DOCUMENTS) as one, Kept.copied(postgres, migrated, DOCUMENTS) as other:
        yield one, other


@pytest_asyncio.fixture
async def kept(postgres: str, migrated: str) -> AsyncIterator[Kept]:
    """Scoring's tables, empty, with the test playbook published."""
    async with Kept.copied(postgres, migrated, DOCUMENTS) as opened:
        yield opened


@pytest_asyncio.fixture
async def client(kept: Any, tmp_path: Path) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """`client("reader")`: an HTTP client whose token may read; `client("ana")` is bound to that rep."""
    given = {name: secrets.token_urlsafe(16) for name in ("reader", "ana", "bea", "writer", "luis")}
    scopes = {"writer": ["touchpoints"], "luis": ["manage"]}
    tokens: list[dict[str, Any]] = [
        {"name": name, "sha256": sha256(token.encode()).hexdigest(), "scopes": scopes.get(name, ["read"])}
        for name, token in given.items()
    ]
    tokens[1]["rep"], tokens[2]["rep"] = "ana", "bea"
    path = tmp_path / "tokens.yaml"
    path.write_text(yaml.safe_dump({"tokens": tokens}))
    own = replace(service)
    settings = Settings(database=kept.dsn, kafka="127.0.0.1:9", tokens=path, topics="local")
    async with own.opened(settings):
        transport = httpx.ASGITransport(Guard(own.app()))

        def made(name: str) -> httpx.AsyncClient:
            headers = {"authorization": f"Bearer {given[name]}"}
            return httpx.AsyncClient(transport=transport, base_url="http://scoring", headers=headers)

        yield made
