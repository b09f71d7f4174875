"""PURE: an MQL by the names that routing rules and SLA policies use (`mql.cell`, `lead.country`, …)."""

from relevo.events.leads import Score, Snapshot


def mql_values(
    snapshot: Snapshot, score: Score, *, trigger: str, hand_raise: bool, priority: int = 0
) -> dict[str, object]:
    """The variables of the MQL context; what is unknown is left out, and keeps the variable's default.

    `trigger`: the id of what qualified it; `hand_raise`: whether that was the person asking for sales.
    """
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
        "mql.trigger": trigger,
        "mql.hand_raise": hand_raise,
        "mql.priority": priority,
    }
    return {name: value for name, value in known.items() if value is not None}
