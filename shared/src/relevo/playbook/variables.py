"""The words a condition may use: per context its variables, each with a type and a default."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Context = Literal["lead", "touch", "mql"]
VariableType = Literal["string", "int", "double", "bool", "list", "map"]
Value = str | int | float | bool | tuple[str, ...] | dict[str, str]


@dataclass(frozen=True)
class Variable:
    """`computed`: Relevo works it out itself, so that a form field cannot fill it."""

    name: str
    type: VariableType
    meaning: str
    computed: bool = False
    default: Value | None = None  # None: the type's own


LEAST_INT: Final = -(2**63)  # CEL's int
MOST_INT: Final = 2**63 - 1

NOTHING: Final[dict[VariableType, Value]] = {
    "string": "", "int": 0, "double": 0.0, "bool": False, "list": (), "map": {},
}  # fmt: skip

LEAD: Final = (
    Variable("lead.email_domain", "string", "what follows the @", computed=True),
    Variable("lead.free_mail", "bool", "a private mailbox: gmail.com, hotmail.es", computed=True),
    Variable("lead.role_address", "bool", "info@, compras@", computed=True),
    Variable("lead.disposable", "bool", "a throw-away mailbox", computed=True),
    Variable("lead.job_title", "string", "as the person wrote it"),
    Variable("lead.country", "string", "two letters: ES"),
    Variable("lead.language", "string", "two letters: es"),
    Variable("lead.region", "string", "province or region"),
    Variable("lead.has_phone", "bool", "a phone number is known", computed=True),
    Variable("lead.identified", "bool", "we know who it is, not just a browser", computed=True),
    Variable("lead.unsubscribed", "bool", "wants no more e-mail", computed=True),
    Variable("lead.bounced", "bool", "its address does not exist (hard bounce)", computed=True),
    Variable("lead.complained", "bool", "called our e-mail spam", computed=True),
    Variable(
        "lead.consent",
        "string",
        'legal basis: consent, contract, legitimate_interest, none; "" if the sender did not say',
        computed=True,
    ),
    Variable("lead.source", "string", "the first source it came from", computed=True),
    Variable("lead.campaign", "string", "the first campaign it came from", computed=True),
    Variable("company.name", "string", "as the person wrote it"),
    Variable("company.domain", "string", "registrable domain", computed=True),
    Variable("company.employees", "int", "how many; 0 if unknown"),
    Variable("company.industry", "string", "as the person wrote it"),
    Variable("company.country", "string", "two letters: ES"),
    Variable("company.is_us", "bool", "one of our own domains", computed=True),
    Variable("company.is_customer", "bool", "already buys from us"),
)

TOUCH: Final = (
    Variable("touch.type", "string", "form_submitted, page_viewed, …", computed=True),
    Variable("touch.source", "string", "the source's name in sources.yaml", computed=True),
    Variable("touch.form", "string", "the form's name", computed=True),
    Variable("touch.url", "string", "the page", computed=True),
    Variable("touch.path", "string", "the page's path: /precios", computed=True),
    Variable("touch.title", "string", "the page's or message's title", computed=True),
    Variable("touch.asset", "string", "what was downloaded", computed=True),
    Variable("touch.event", "string", "webinar, fair, or the tracked event's name", computed=True),
    Variable("touch.campaign", "string", "UTM campaign", computed=True),
    Variable("touch.medium", "string", "UTM medium", computed=True),
    Variable("touch.machine", "bool", "a scanner or proxy did it", computed=True),
    Variable("touch.fields", "map", "the form's own fields", computed=True),
)

MQL: Final = (
    Variable("mql.cell", "string", "A1 … C3", computed=True),
    Variable("mql.fit", "string", "A, B or C", computed=True),
    Variable("mql.engagement", "string", '"1", "2" or "3"', computed=True, default="3"),
    Variable("mql.persona", "string", "the persona that fits best", computed=True),
    Variable("mql.trigger", "string", "the hand-raise or cell that qualified it", computed=True),
    Variable("mql.hand_raise", "bool", "the person asked for sales", computed=True),
    Variable("mql.priority", "int", "the priority its rule gave it; 0 while routing", computed=True),
    *LEAD,
)

CONTEXTS: Final[dict[Context, tuple[Variable, ...]]] = {"lead": LEAD, "touch": TOUCH, "mql": MQL}


def default_of(variable: Variable) -> Value:
    return NOTHING[variable.type] if variable.default is None else variable.default


def fit(kind: VariableType, value: object) -> Value | None:
    """The value as this type, where that loses nothing; else None, and the variable keeps its default.

    A whole number counts as text (level 1 is "1") and as a double; text never counts as a number: `attributes` reads
    numbers out of what people typed.
    """
    match kind, value:
        case "string", str():
            return value
        case "bool", bool():
            return value
        case "list", list() | tuple() if all(isinstance(item, str) for item in value):
            return tuple(value)
        case "map", Mapping() if all(isinstance(a, str) and isinstance(b, str) for a, b in value.items()):
            return dict(value)
        case (_, bool()):
            return None
        case "string", int():
            return str(value)
        case "int", int() if LEAST_INT <= value <= MOST_INT:
            return value
        case "double", int() | float() if math.isfinite(value):
            return float(value)
    return None
