"""The wiring: scoring reads touchpoints and outcomes, and writes `leads`."""

from relevo.events.topics import LEADS
from relevo.service import Service
from scoring import rescoring, simulations
from scoring.api import leads
from scoring.handlers import erase, learn_outcomes, score_touchpoints
from scoring.rescore import rescore
from scoring.settings import Settings

service = Service(
    "scoring",
    8002,
    handlers=[score_touchpoints, learn_outcomes, erase],
    api=[leads, rescoring.router, simulations.router, simulations.feedback_router],
    loops=[rescore],
    writes=[LEADS],
    settings_class=Settings,
    migrations="scoring.migrations",
    playbook=True,
    description="Touchpoints to leads, scores and MQLs, each with its reasons.",
)
