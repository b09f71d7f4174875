"""The process runtime every service runs in: settings, clock, web, tokens, health, telemetry, shutdown.

service = Service("scoring", 8002, handlers=[…], api=[router], loops=[…], migrations="scoring.migrations")
main(service)      # `python -m scoring run | migrate | dead …`
"""

from relevo.service.life import Stopping
from relevo.service.loops import Next, again_and_again, woken_by_commits
from relevo.service.main import command_line, main
from relevo.service.problems import Problem
from relevo.service.runtime import Service
from relevo.service.settings import Settings
from relevo.service.tokens import Actor, needs
from relevo.service.web import Answer, Text, body, of, respond, takes, write

__all__ = [
    "Actor", "Answer", "Next", "Problem", "Service", "Settings", "Stopping", "Text",
    "again_and_again", "body", "command_line", "main", "needs", "of", "respond", "takes", "woken_by_commits", "write",
]  # fmt: skip
