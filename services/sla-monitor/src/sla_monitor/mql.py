"""PURE: an MQL by the names that conditions use (`mql.cell`, `lead.country`, …), as handoff says it."""

from collections.abc import Set

from relevo.events import LeadAssigned, LeadWaiting


def mql_values(event: LeadAssigned | LeadWaiting, hand_raises: Set[str]) -> dict[str, object]:
    """The variables of the MQL context; what is unknown is left out, and keeps the variable's default.

    `hand_raises`: the ids of the playbook's hand-raises; no cell is called like one.
    """
    snapshot, score = event.snapshot, event.score
    contact, company = snapshot.contact, snapshot.company
    known: dict[str, object] = {
        "lead.email_domain": contact.email.rpartition("@")[2] if contact.email else None,
        "lead.job_title": contact.job_title,
        "lead.country": contact.country,
        "lead.language": contact.language,
        "lead.region": contact.region,
        "lead.has_phone": contact.phone is not None,
        "lead.identified": contact.email is not None,
        "lead.consent": snapshot.consent.basis if snapshot.consent else None,
        "lead.source": snapshot.first_source,
        "lead.campaign": snapshot.campaign.name,
        "company.name": company.name,
        "company.domain": company.domain,
        "company.employees": company.employees,
        "company.industry": company.industry,
        "company.country": company.country,
        **snapshot.attributes,  # scoring's own reading goes before ours
        "mql.cell": score.cell,
        "mql.fit": score.grade,
        "mql.engagement": str(score.level),
        "mql.persona": score.persona,
        "mql.trigger": event.trigger,
        "mql.hand_raise": event.trigger in hand_raises,
        "mql.priority": event.priority,
    }
    return {name: value for name, value in known.items() if value is not None}
