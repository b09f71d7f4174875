"""The playbook's way into a service: over its topic into the service's own database, the last good one kept."""

import logging
from collections.abc import Sequence

import orjson
from sqlalchemy import text

from relevo.events import PlaybookPublished
from relevo.playbook import PlaybookError, load
from relevo.stream.handlers import on
from relevo.stream.transaction import Transaction

log = logging.getLogger(__name__)

_KEEP = text(
    "insert into playbook (revision, version, documents, problem, at)"
    " values (:revision, :version, cast(:documents as jsonb), :problem, clock_timestamp())"
    " on conflict (revision) do nothing"
)


@on(PlaybookPublished)
async def keep_playbook(tx: Transaction, published: Sequence[PlaybookPublished]) -> None:
    """Keep each revision. One this service cannot load is kept with its problem and never becomes active, so the
    last good one stays; the switch happens at every replica's next transaction."""
    for event in published:
        problem = None
        try:
            load(event.documents)
        except PlaybookError as error:
            problem = str(error)
            log.error("playbook refused", extra={"revision": event.revision, "problems": problem})
        await tx.execute(
            _KEEP,
            {
                "revision": event.revision,
                "version": event.version,
                "documents": orjson.dumps(event.documents).decode(),
                "problem": problem,
            },
        )
