"""One interaction of one person, in the words of whoever reports it: site, form, e-mail tool, fair, import. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

from relevo_local.story.people import Person
from relevo_local.story.words import DEMO, FAIR, Page

WEB: Final = "web"
DEMO_FORM: Final = "formulario-demo"
GUIDE_FORM: Final = "formulario-guias"
MAIL_TOOL: Final = "correo"
FAIR_TOOL: Final = "feria"
ACCOUNTING: Final = "contabilidad"

Way = Literal["page", "track", "identify", "form", "report"]
Campaign = Mapping[str, str]


@dataclass(frozen=True)
class Touch:
    """`way` says how it is sent, `told` what is sent: a form's fields, a call's arguments, a report's body.

    A form is sent at the stop it belongs to; what the site and the tools saw is reported then, with its own time.
    """

    at: datetime
    source: str
    way: Way
    told: Mapping[str, Any]


def page(person: Person, at: datetime, seen: Page, agent: str, campaign: Campaign | None = None) -> Touch:
    url = seen.url + ("?" + urlencode({f"utm_{name}": value for name, value in campaign.items()}) if campaign else "")
    told = {
        "anonymous_id": person.visitor,
        "name": seen.title,
        "properties": {"url": url, "path": seen.path, "title": seen.title},
        "context": {"userAgent": agent, "locale": "es-ES"},
    }
    return Touch(at, WEB, "page", told)


def track(person: Person, at: datetime, event: str, agent: str, **properties: Any) -> Touch:
    told = {
        "anonymous_id": person.visitor,
        "event": event,
        "properties": properties,
        "context": {"userAgent": agent},
    }
    return Touch(at, WEB, "track", told)


def identify(person: Person, at: datetime, agent: str) -> Touch:
    traits = {"email": person.email, "firstName": person.first, "lastName": person.last}
    told = {"anonymous_id": person.visitor, "traits": traits, "context": {"userAgent": agent}}
    return Touch(at, WEB, "identify", told)


def ask_for_demo(person: Person, at: datetime, question: str, agent: str) -> Touch:
    """The form that asks for sales: an MQL at once."""
    company = person.company
    fields = {
        **_who(person),
        "telefono": person.phone or "",
        "num_empleados": str(company.employees),
        "maquinas": str(company.machines),
        "erp": company.erp,
        "mensaje": question.format(erp=company.erp, machines=company.machines),
        "formulario": DEMO.title,
        "page_url": DEMO.url,
    }
    return Touch(at, DEMO_FORM, "form", {"fields": fields, "agent": agent, "multipart": False})


def ask_for_guide(person: Person, at: datetime, guide: Page, agent: str) -> Touch:
    fields = {**_who(person), "num_empleados": _bracket(person.company.employees), "formulario": guide.title}
    return Touch(
        at, GUIDE_FORM, "form", {"fields": fields | {"page_url": guide.url}, "agent": agent, "multipart": True}
    )


def subscribe(person: Person, at: datetime, agent: str) -> Touch:
    fields = {
        "email": person.email,
        "nombre": person.first,
        "idioma": person.company.place.language,
        "formulario": "Boletín mensual",
        "consentimiento": "on",
        "ajs_anonymous_id": person.visitor,
    }
    return Touch(at, GUIDE_FORM, "form", {"fields": fields, "agent": agent, "multipart": False})


def mail(person: Person, at: datetime, event: str, mailing: str, subject: str, **more: Any) -> Touch:
    """What the e-mail tool saw of one message: sent, delivered, opened, clicked, replied, bounced, unsubscribed."""
    told = {
        "type": f"email_{event}",
        "id": f"{mailing}/{person.visitor}/{event}{'/' + more['link'] if 'link' in more else ''}",
        "email": person.email,
        "message_id": mailing,
        "subject_line": subject,
        "campaign": {"source": "boletin", "medium": "email", "name": mailing},
        **more,
    }
    return Touch(at, MAIL_TOOL, "report", told)


def download(person: Person, at: datetime, guide: Page) -> Touch:
    told = {
        "type": "content_downloaded",
        "id": f"{guide.path}/{person.visitor}",
        "email": person.email,
        "asset": guide.title,
        "url": guide.url + ".pdf",
    }
    return Touch(at, MAIL_TOOL, "report", told)


def fair(person: Person, at: datetime, kind: Literal["event_registered", "event_attended", "meeting_booked"]) -> Touch:
    """The fair's tool: registered, scanned at our stand, or a meeting booked there (an MQL at once)."""
    company = person.company
    told = {
        "type": kind,
        "id": f"{kind}/{person.visitor}",
        "email": person.email,
        "first_name": person.first,
        "last_name": person.last,
        "phone": person.phone,
        "company": company.name,
        "event": FAIR,
        "consent": {"basis": "consent"},
        "fields": {
            "cargo": person.title,
            "sector": company.sector,
            "pais": company.place.country,
            "provincia": company.place.region,
            "empleados": company.employees,
            "idioma": company.place.language,
        },
    }
    return Touch(at, FAIR_TOOL, "report", told)


def customer(person: Person, at: datetime) -> Touch:
    """A line of accounting's weekly import: they buy from us already."""
    company = person.company
    told = {
        "type": "imported",
        "id": f"cliente/{person.visitor}",
        "email": person.email,
        "name": f"{person.first} {person.last}",
        "company": {"name": company.name, "domain": company.domain},
        "consent": {"basis": "contract"},
        "fields": {"cliente": "sí", "empleados": company.employees, "sector": company.sector, "pais": "ES"},
    }
    return Touch(at, ACCOUNTING, "report", told)


def _who(person: Person) -> dict[str, str]:
    place = person.company.place
    return {
        "nombre": person.first,
        "apellidos": person.last,
        "email": person.email,
        "empresa": person.company.name,
        "cargo": person.title,
        "sector": person.company.sector,
        "provincia": place.region,
        "pais": place.country,
        "idioma": place.language,
        "consentimiento": "on",
        "ajs_anonymous_id": person.visitor,  # the hidden field by which the visits before belong to this person
    }


def _bracket(employees: int) -> str:
    """As in a drop-down list."""
    for most in (10, 50, 200, 500):
        if employees <= most:
            return {10: "1-10", 50: "11-50", 200: "51-200", 500: "201-500"}[most]
    return "más de 500"
