"""company.yaml: zone and domains are real, fields are declared so that they can be filled."""

import re
from zoneinfo import ZoneInfo, available_timezones

from relevo.domains import registrable
from relevo.playbook.attributes import BUILT_IN, parse
from relevo.playbook.checks.finding import Findings, Parts
from relevo.playbook.company import Company, OwnField
from relevo.playbook.problems import did_you_mean
from relevo.playbook.text import Path
from relevo.playbook.variables import Value, Variable, fit

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.ASCII)


def own_variable(name: str, own: OwnField) -> Variable | None:
    """The variable that an own field declares; None for a built-in one, or if it does not say what it is."""
    if name in BUILT_IN or own.type is None:
        return None
    return Variable(name, own.type, meaning="own field", default=_default(own))


def _default(own: OwnField) -> Value | None:
    return None if own.default is None or own.type is None else fit(own.type, own.default)


def check(parts: Parts, findings: Findings) -> None:
    company = parts.company
    if company is None:
        return
    try:
        ZoneInfo(company.zone)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(company.zone, available_timezones())
        findings.wrong(("zone",), f"there is no time zone {company.zone!r}", near or "such as Europe/Madrid")
    for number, domain in enumerate(company.domains):
        if not _DOMAIN.fullmatch(domain):
            findings.wrong(("domains", number), f"{domain!r} is no domain", "such as example.com, in lower case")
    _check_aliases(company, findings)
    for name, own in company.fields.items():
        _check_field(name, own, findings)


def _check_aliases(company: Company, findings: Findings) -> None:
    """Touchpoints come with registrable domains, so that any other one would never be met."""
    first: dict[str, Path] = {}
    for main, others in company.aliases.items():
        path: Path = ("aliases", main)
        if not others:
            findings.wrong(path, f"{main!r} has no other domain", "list the others, or remove it")
        for place, domain in ((path, main), *(((*path, number), other) for number, other in enumerate(others))):
            own = registrable(domain) if _DOMAIN.fullmatch(domain) else None
            if own != domain:
                hint = f"write {own}" if own else "such as example.com, in lower case"
                findings.wrong(place, f"{domain!r} is no registrable domain", hint)
            elif domain in company.domains:
                findings.wrong(place, f"{domain!r} is us", "remove it here: whoever writes from there is never a lead")
            elif domain in first:
                line = findings.document.line(first[domain])
                findings.wrong(place, f"the domain {domain!r} is there twice", f"the first is on line {line}")
            first.setdefault(domain, place)


def _check_field(name: str, own: OwnField, findings: Findings) -> None:
    path = ("fields", name)
    built_in = BUILT_IN.get(name)
    if built_in is None and own.type is None:
        near = did_you_mean(name, BUILT_IN)
        hint = f"{near} Else say its type" if "mean" in near else "say its type: string, int, double, bool or list"
        return findings.wrong(path, f"the own field {name!r} has no type", hint)
    if built_in is not None:
        if built_in.computed:
            return findings.wrong(path, f"{name!r} cannot be filled by a form", "Relevo works it out; remove it here")
        if own.type not in (None, built_in.type):
            findings.wrong((*path, "type"), f"{name!r} is built in, as {built_in.type}", "leave its type out")
        if own.default is not None:
            findings.wrong((*path, "default"), f"the default of {name!r} is built in", "leave it out")
    kind = own.type or (built_in.type if built_in else "string")
    if kind == "map":  # no built-in variable that a form can fill is one
        return None
    if built_in is None and own.default is not None and fit(kind, own.default) is None:
        findings.wrong((*path, "default"), f"the default of {name!r} is no {kind}", "make it fit the type")
    for spelling, meant in own.values.items():
        if parse(kind, str(meant)) is None:
            findings.wrong((*path, "values", spelling), f"this value of {name!r} is no {kind}", "make it fit the type")
    return None
