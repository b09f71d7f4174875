"""The sales team: an endpoint for each, webhooks received and verified, answers given with each rep's own token."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from relevo.calendar import deadline
from relevo_local.receiver import Receiver
from relevo_local.story.access import Access
from relevo_local.story.cast import Cast
from relevo_local.story.replies import Reply, replies
from relevo_local.together import together
from relevo_local.trouble import Trouble

MARKETING = "marketing"
_TOLD_MARKETING = ["lead.rejected", "lead.recycled", "lead.disqualified"]
_ANSWERS_AT_ONCE = 16
_ALL_IN = timedelta(minutes=50)  # after leads have come, the answers to all of them are given together
_WATCHED = 2  # leads of the silent one that are followed from step to step
_SOON = timedelta(days=1)  # what is said later than that may wait for a stop of the plan


@dataclass(frozen=True)
class Owed:
    """A reply that a rep will give."""

    rep: str
    lead: Mapping[str, Any]
    reply: Reply


@dataclass
class Sales:
    """Reps with what they will still say. `silent_from`: from then on the silent one says nothing."""

    receiver: Receiver
    http: httpx.AsyncClient
    access: Access
    cast: Cast
    seed: int
    silent_from: datetime
    owed: list[Owed] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)  # leads that the silent one has, and says nothing of
    taken_over: int = 0  # answers that came when somebody else had the lead already
    _read: int = 0
    _of_critic: int = 0
    _watched: int = 0

    def read(self, now: datetime) -> set[datetime]:
        """Look at the webhooks that came since the last look; the moments at which something soon follows from them."""
        new, self._read = self.receiver.received[self._read :], len(self.receiver.received)
        moments: set[datetime] = set()
        for webhook in new:
            if webhook.type != "lead.assigned":
                continue
            self.ignored.discard(webhook.data["lead_id"])
            if webhook.endpoint == self.cast.silent and now >= self.silent_from:
                self.ignored.add(webhook.data["lead_id"])
                moments |= self._ladder(now)
                continue
            if webhook.endpoint == self.cast.critic:
                self._of_critic += 1
            rejects = webhook.endpoint == self.cast.critic and self._of_critic % 2 == 1
            said = replies(self.seed, webhook.data, now, rejects=rejects)
            self.owed += (Owed(webhook.endpoint, webhook.data, reply) for reply in said)
            moments |= {max(reply.at, now + _ALL_IN) for reply in said if reply.at < now + _SOON}
        return moments

    async def answer(self, now: datetime) -> None:
        """Everybody says what is due by now, of one lead in order."""
        due = [each for each in self.owed if each.reply.at <= now]
        self.owed = [each for each in self.owed if each.reply.at > now]
        by_lead: dict[str, list[Owed]] = {}
        for each in sorted(due, key=lambda each: each.reply.at):
            if each.rep != self.cast.silent or now < self.silent_from:
                by_lead.setdefault(each.lead["assignment_id"], []).append(each)
        gate = asyncio.Semaphore(_ANSWERS_AT_ONCE)
        await together(self._say(answers, gate) for answers in by_lead.values())

    def _ladder(self, now: datetime) -> set[datetime]:
        """A minute after each step that the agreement takes while nobody answers: of the first leads every step, later
        only the target, where a lead's warnings and its breach come together."""
        policy, steps = self.cast.answer, {self.cast.answer.target}
        if self._watched < _WATCHED:
            self._watched += 1
            steps |= {step.at.of(policy.target) for step in policy.ladder}
        return {deadline(self.cast.hours, now, step) + timedelta(minutes=1) for step in steps}

    async def _say(self, answers: list[Owed], gate: asyncio.Semaphore) -> None:
        for owed in answers:
            links = owed.lead["answer"]
            async with gate:
                said = await self.http.post(
                    links[owed.reply.act],
                    json={**links["body"], **owed.reply.body},
                    headers={"authorization": f"Bearer {self.access.reps[owed.rep]}"},
                )
            if said.status_code == 409:
                self.taken_over += 1
            elif said.status_code != 200:
                raise Trouble(f"handoff refused {owed.reply.act}: {said.status_code} {said.text[:500]}")


async def add_endpoints(
    receiver: Receiver, handoff: str, manage: Mapping[str, str], http: httpx.AsyncClient, who: Cast
) -> None:
    """An endpoint for everybody in sales, and one of marketing's; `manage` are headers that may make them."""
    wanted: dict[str, dict[str, Any]] = {rep: {"rep": rep} for rep in who.names}
    wanted[MARKETING] = {"types": _TOLD_MARKETING}
    for name, endpoint in wanted.items():
        told = {"name": name, "url": receiver.endpoint(name), **endpoint}
        made = await http.post(f"{handoff}/v1/endpoints", json=told, headers=manage)
        if made.status_code != 201:
            raise Trouble(f"handoff refused an endpoint: {made.status_code} {made.text[:500]}")
        receiver.secrets[name] = made.json()["secret"]
