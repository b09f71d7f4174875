"""sla-monitor's settings: those every service has."""

from relevo.service import Settings

__all__ = ["Settings"]
