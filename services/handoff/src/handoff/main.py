"""The wiring: handoff reads MQLs, the steps of promises and erasures, and writes `assignments`."""

from handoff.api import routers
from handoff.deliver import deliver
from handoff.drain import drain
from handoff.fairness import watch_fairness
from handoff.handlers import assign_leads, erase, join_merged, part_unmerged, take_steps
from handoff.measures import measure
from handoff.sent import forget_deliveries
from handoff.settings import Settings
from handoff.simulations import BODY_LIMIT
from relevo.events.topics import ASSIGNMENTS
from relevo.service import Service

service = Service(
    "handoff",
    8003,
    handlers=[assign_leads, take_steps, join_merged, part_unmerged, erase],
    api=routers,
    loops=[deliver, drain, watch_fairness, forget_deliveries],
    measures=[measure],
    writes=[ASSIGNMENTS],
    settings_class=Settings,
    migrations="handoff.migrations",
    playbook=True,
    larger_bodies={"/v1/simulations": BODY_LIMIT},
    description="MQLs to reps, provably fairly; signed webhooks out, answers back.",
)
