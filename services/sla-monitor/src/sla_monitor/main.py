"""The wiring: sla-monitor reads `assignments` and `privacy`, and writes `slas`."""

from relevo.events.topics import SLAS
from relevo.service import Service
from sla_monitor.adoption import keep_agreement
from sla_monitor.api import breaches, clocks
from sla_monitor.handlers import erase, keep_clocks
from sla_monitor.settings import Settings
from sla_monitor.timer import keep_time

service = Service(
    "sla-monitor",
    8004,
    handlers=[keep_clocks, erase],
    api=[clocks, breaches],
    loops=[keep_time, keep_agreement],
    writes=[SLAS],
    settings_class=Settings,
    migrations="sla_monitor.migrations",
    playbook=True,
    description="Every promise timed in business time: warned, breached, met; never early.",
)
