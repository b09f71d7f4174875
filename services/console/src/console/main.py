"""The wiring of the console."""

from console import api, pages, playbooks
from console.decisions import handoff
from console.handlers import keep
from console.live import live
from console.settings import Settings
from relevo.events.topics import PLAYBOOKS, PRIVACY
from relevo.service import Service

service = Service(
    "console",
    8000,
    handlers=[keep],
    api=[pages.router, api.router, playbooks.router],
    uses=[live.running, handoff.reachable],
    writes=[PLAYBOOKS, PRIVACY],
    settings_class=Settings,
    migrations="console.migrations",
    description="The shared truth of marketing and sales: a read model of every event, and its page.",
)
