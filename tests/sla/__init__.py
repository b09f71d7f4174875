"""sla-monitor beside a slow, obvious reference: random histories of leads must come to the same events."""
