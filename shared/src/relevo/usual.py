"""Where services answer on one machine, where nobody says otherwise."""

PORTS = {"ingest": 8001, "scoring": 8002, "handoff": 8003, "sla_monitor": 8004, "console": 8000}
