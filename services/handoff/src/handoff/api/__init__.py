"""HTTP: thin, no decisions. Assignments and their answers, decisions, reps, endpoints, deliveries."""

from handoff.api import answers, assignments, deliveries, endpoints, links, reps, simulations

routers = (
    assignments.router, reps.router, endpoints.router, deliveries.router, answers.router, links.router,
    simulations.router,
)  # fmt: skip
