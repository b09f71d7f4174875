"""PURE: an MQL by the names that conditions use (`mql.cell`, `lead.country`, …)."""

from handoff.assignment import Qualified


def mql_values(about: Qualified, priority: int = 0) -> dict[str, object]:
    """The variables of the MQL context; what is unknown is None, and keeps the variable's default."""
    snapshot, score = about.snapshot, about.score
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
    }
    return {
        **known,
        **snapshot.attributes,  # scoring's own reading goes before ours
        "mql.cell": score.cell,
        "mql.fit": score.grade,
        "mql.engagement": str(score.level),
        "mql.persona": score.persona,
        "mql.trigger": about.trigger.id,
        "mql.hand_raise": about.trigger.kind == "hand_raise",
        "mql.priority": priority,
    }
