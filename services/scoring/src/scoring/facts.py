"""What the touchpoints say of a lead: of each fact the newest word counts; of first source and campaign, the oldest.

Pure. Each fact is kept with the moment it was said, so that the order of arrival does not matter; of two words of the
same moment the larger one (as JSON) counts, for the same reason.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from relevo.events import TouchpointRecorded
from relevo.events.identity import SubjectKind
from relevo.events.leads import AttributeValue, Contact
from relevo.events.leads import Company as CompanyData
from relevo.events.touchpoints import Campaign, Consent
from relevo.playbook import Company, attributes
from scoring.moments import micros

Fact = tuple[int, Any]  # when it was said (microseconds), what (plain JSON)
Facts = dict[str, Fact]
Known = Mapping[str, Fact]

_ANSWERS: Final = frozenset(("email_delivered", "email_clicked", "email_replied"))  # the address works after all
_MARKS: Final = ("free_mail", "role_address", "disposable")


def learn(facts: Facts, touch: TouchpointRecorded, at: int, company: Company) -> bool:
    """Take in what `touch`, which occurred `at`, says; whether a fact changed.

    Of a machine's touchpoint only the address counts, and an unsubscription, a bounce and a complaint, whoever sent
    them: there the cautious reading is the right one.
    """
    changed = _reachability(facts, touch, at)
    if (principal := touch.subjects[0]).kind == "email":
        changed |= _newest(facts, "email", at, principal.value)
        changed |= _newest(facts, "marks", at, sorted(touch.marks), default=[])
    if touch.machine:
        return changed
    names, of_company, campaign = touch.names, touch.company, touch.campaign
    for name, value in (
        ("phone", touch.phone),
        ("first_name", names.first),
        ("last_name", names.last),
        ("full_name", names.full),
        ("company.domain", of_company.domain and company.main_domain(of_company.domain)),
        ("company.name", of_company.name),
    ):
        if value:
            changed |= _newest(facts, name, at, value)
    if touch.fields:
        for name, said in attributes(company, touch.fields).items():
            changed |= _newest(facts, name, at, list(said) if isinstance(said, tuple) else said)
    if touch.consent is not None:
        changed |= _newest(facts, "consent", at, touch.consent.model_dump(mode="json", exclude_none=True))
    changed |= _oldest(facts, "first_source", at, touch.source)
    if campaign.name or campaign.source or campaign.medium or campaign.ad_ids:
        changed |= _oldest(facts, "first_campaign", at, campaign.model_dump(exclude_defaults=True))
    return changed


def _reachability(facts: Facts, touch: TouchpointRecorded, at: int) -> bool:
    match touch.touch:
        case "email_unsubscribed":
            return _newest(facts, "unsubscribed", at, True)
        case "email_complained":
            return _newest(facts, "complained", at, True)
        case "email_bounced":
            return _newest(facts, "bounced", at, True)
    changed = False
    if touch.touch in _ANSWERS and not touch.machine:
        changed = _newest(facts, "bounced", at, False, default=False)
    consent = touch.consent
    if consent is not None and consent.basis == "consent" and consent.at is not None:
        # Consent given after an unsubscription lifts it; a form that only repeats an older consent does not.
        changed |= _newest(facts, "unsubscribed", micros(consent.at), False, default=False)
    return changed


def _newest(facts: Facts, name: str, at: int, value: Any, default: Any = None) -> bool:
    """`default`: what it is where nobody said anything, so that saying so changes nothing."""
    kept = facts.get(name)
    if kept is not None and (at < kept[0] or (at == kept[0] and _rank(value) <= _rank(kept[1]))):
        return False
    facts[name] = (at, value)
    return bool((default if kept is None else kept[1]) != value)


def _oldest(facts: Facts, name: str, at: int, value: Any) -> bool:
    kept = facts.get(name)
    if kept is not None and (at > kept[0] or (at == kept[0] and _rank(value) <= _rank(kept[1]))):
        return False
    facts[name] = (at, value)
    return kept is None or bool(kept[1] != value)


# From the most restrictive one on; where nobody said a basis, nothing is restricted by it.
_BASES: Final = ("none", "legitimate_interest", "contract", "consent")


def strictest(one: Known, other: Known, as_of: datetime) -> Facts:
    """What a merge of two people says of their consent, as of the merge: the more restrictive word of the two."""
    at, found = micros(as_of), Facts()
    said = [consent for facts in (one, other) if (consent := value_of(facts, "consent"))]
    if said:
        found["consent"] = at, min(said, key=lambda consent: _BASES.index(consent["basis"]))
    for refusal in ("unsubscribed", "complained"):
        if value_of(one, refusal) or value_of(other, refusal):
            found[refusal] = at, True
    return found


def restrict(facts: Facts, said: Known) -> None:
    """Take in what merges said, as any other word: the newest counts."""
    for name, (at, value) in said.items():
        _newest(facts, name, at, value)


def _rank(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def value_of(facts: Known, name: str) -> Any:
    """The fact's value, None where nothing was said."""
    kept = facts.get(name)
    return None if kept is None else kept[1]


def variables(facts: Known, known_by: SubjectKind, company: Company) -> dict[str, AttributeValue]:
    """The lead by the names that conditions use; what is unknown is left out, and keeps the variable's default."""
    found: dict[str, AttributeValue] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, (_, value) in facts.items()
        if name.startswith(("lead.", "company."))
    }
    email = value_of(facts, "email") or ""
    email_domain = email.rpartition("@")[2]
    marks = value_of(facts, "marks") or ()
    found |= {f"lead.{mark}": True for mark in _MARKS if mark in marks}
    found |= {f"lead.{flag}": True for flag in ("unsubscribed", "bounced", "complained") if value_of(facts, flag)}
    if email_domain:
        found["lead.email_domain"] = email_domain
    if "phone" in facts:
        found["lead.has_phone"] = True
    if known_by != "anonymous":
        found["lead.identified"] = True
    if consent := value_of(facts, "consent"):
        found["lead.consent"] = consent["basis"]
    if source := value_of(facts, "first_source"):
        found["lead.source"] = source
    if campaign := value_of(facts, "first_campaign"):
        found["lead.campaign"] = campaign.get("name", "")
    if not company.domains:
        return found
    if found.get("company.domain") in company.domains or email_domain in company.domains:
        found["company.is_us"] = True
    return found


def contact(facts: Known) -> Contact:
    return Contact(
        **{name: value_of(facts, name) for name in ("email", "phone", "first_name", "last_name", "full_name")},
        **{name: _text(facts, f"lead.{name}") for name in ("job_title", "language", "country", "region")},
    )


def company_data(facts: Known) -> CompanyData:
    employees = value_of(facts, "company.employees")
    return CompanyData(
        **{name: _text(facts, f"company.{name}") for name in ("domain", "name", "industry", "country")},
        employees=employees if isinstance(employees, int) else None,
    )


def _text(facts: Known, name: str) -> str | None:
    value = value_of(facts, name)
    return value if isinstance(value, str) else None


def consent(facts: Known) -> Consent | None:
    said = value_of(facts, "consent")
    return Consent.model_validate(said) if said else None


def campaign(facts: Known) -> Campaign:
    return Campaign.model_validate(value_of(facts, "first_campaign") or {})
