"""The wiring: sla-monitor reads `assignments`, `leads` and `privacy`, and writes `slas`."""

from relevo.events.topics import SLAS
from relevo.service import Service
from sla_monitor.adoption import keep_agreement
from sla_monitor.api import breaches, clocks, commitments, simulations
from sla_monitor.handlers import erase, join_merged, keep_clocks, note_mqls
from sla_monitor.reckoning import keep_commitments
from sla_monitor.settings import Settings
from sla_monitor.simulations import BODY_LIMIT
from sla_monitor.timer import keep_time

service = Service(
    "sla-monitor",
    8004,
    handlers=[keep_clocks, note_mqls, join_merged, erase],
    api=[clocks, breaches, commitments, simulations],
    loops=[keep_time, keep_agreement, keep_commitments],
    writes=[SLAS],
    settings_class=Settings,
    migrations="sla_monitor.migrations",
    playbook=True,
    larger_bodies={"/v1/simulations": BODY_LIMIT},
    description="Every promise timed in business time: warned, breached, met; never early.",
)
