"""The wiring: what the process `python -m ingest run` is made of."""

from ingest import tracker
from ingest.api import router
from ingest.desk import Desk
from ingest.doors import Doors
from ingest.openapi import describe
from ingest.settings import Settings
from relevo.events.topics import TOUCHPOINTS, TOUCHPOINTS_FAILED
from relevo.service import Service


def ingest() -> Service:
    """A new service with a desk of its own; one per process, several in tests."""
    desk = Desk()
    return Service(
        "ingest",
        8001,
        description="Touchpoints in: received, verified, normalised, durable before the 2xx.",
        api=[router(desk), tracker.router()],
        configure_app=describe,
        doors=lambda app: Doors(app, desk),
        uses=[desk.opened],
        loops=[desk.drain, desk.watch, desk.mind_disk],
        writes=[TOUCHPOINTS, TOUCHPOINTS_FAILED],
        ready=desk.missing,
        settings_class=Settings,
        body_limit=768 * 1024,  # of a replay in base64; the doors set their own, lower ones
    )


service = ingest()
