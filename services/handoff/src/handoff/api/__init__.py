"""HTTP: thin, no decisions. Assignments and their answers, decisions, reps, endpoints, deliveries."""

from handoff.api import assignments, deliveries, endpoints, reps

routers = (assignments.router, reps.router, endpoints.router, deliveries.router)
