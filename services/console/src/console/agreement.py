"""The agreement in force, compiled once per version: for its time zone, its names, and the page that shows it."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import text

from relevo.playbook import Playbook, PlaybookError, load
from relevo.stream import Transaction

_STAMP = text("select revision, version, at from publication order by revision desc limit 1")
_DOCUMENTS = text("select documents from publication where revision = :revision")
_compiled: dict[str, Playbook | None] = {}


@dataclass(frozen=True)
class Agreement:
    """`playbook` is None where this release of the console can no longer read what was published."""

    revision: int
    version: str
    at: datetime
    playbook: Playbook | None

    @property
    def zone(self) -> ZoneInfo:
        return _zone(self.playbook.company.zone if self.playbook else "UTC")

    @property
    def names(self) -> dict[str, str]:
        """What ids are called: `rep:ana`, `team:iberia`, `persona:it`, `rule:large` → name."""
        if self.playbook is None:
            return {}
        routing = self.playbook.routing
        return {
            **{f"persona:{persona.id}": persona.name for persona in self.playbook.personas},
            **{f"rule:{rule.id}": rule.name for rule in routing.rules},
            **{f"team:{team.id}": team.name for team in routing.teams},
            **{f"rep:{team.manager.id}": team.manager.name for team in routing.teams},
            **{f"rep:{rep.id}": rep.name for team in routing.teams for rep in team.reps},
        }


async def in_force(tx: Transaction) -> Agreement | None:
    found = (await tx.execute(_STAMP)).first()
    if found is None:
        return None
    if found.version not in _compiled:
        documents = (await tx.execute(_DOCUMENTS, {"revision": found.revision})).scalar_one()
        _compiled.clear()
        _compiled[found.version] = _load(documents)
    return Agreement(found.revision, found.version, found.at, _compiled[found.version])


def _load(documents: dict[str, str]) -> Playbook | None:
    try:
        return load(documents)
    except PlaybookError:
        return None


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
