"""What we say to people, in English and in Spanish: the only place for it."""

from typing import Final, Literal

from relevo.events.vocabulary import RejectReason

Language = Literal["en", "es"]

ENGLISH: Final[dict[str, str]] = {
    "lead.assigned": "New lead: {who}",
    "sla.warned": "An answer is due: {who}",
    "sla.breached": "A promise was missed: {who}",
    "lead.merged": "A duplicate, yours no more: {who}",
    "lead.qualified": "Qualified: {who}",
    "lead.rejected": "Sales rejected: {who}",
    "lead.recycled": "Back to nurture: {who}",
    "lead.disqualified": "Out of the funnel: {who}",
    "endpoint.disabled": "An endpoint gets nothing more: {name}",
    "test": "A test from Relevo",
    "somebody": "somebody",
    "for": "For {rep}, team {team}. Fit {grade}, interest {level}.",
    "due": "Due {due}.",
    "because": "Reason: {reason}.",
    "until": "Not before {until}.",
    "asked": "Asked", "read": "Read", "opened": "Opened", "attended": "Attended", "reasons": "Why now",
    "times": "{what} ({times} times)",
    "say": "A first sentence",
    "say.asked": "Hello {first}, this is {rep} of {us}. You asked us: “{text}” Do you have ten minutes for the answer?",
    "say.attended": "Hello {first}, this is {rep} of {us}. You were at “{title}”: what brought you there?",
    "say.read": "Hello {first}, this is {rep} of {us}. You looked at “{title}”: may I tell you more?",
    "say.nothing": "Hello {first}, this is {rep} of {us}. You asked us for a word: what may I help you with?",
    "phone": "Phone", "email": "E-mail", "company": "Company", "job": "Position",
    "accept": "Accept", "reject": "Reject", "contacted": "We spoke", "reject.because": "Reject because …",
    "page.accept": "Accept this lead", "page.reject": "Reject this lead", "page.contacted": "We have spoken",
    "page.sure": "{who}. Nothing happens until you confirm.",
    "page.why": "Why?",
    "page.done": "Thank you, it is noted.",
    "page.dead": "This link does nothing any more",
    "page.dead.why": "It was used, it has expired, or the lead is somebody else's by now.",
    "page.no": "That cannot be",
    "note": "Note",
}  # fmt: skip
SPANISH: Final[dict[str, str]] = {
    "lead.assigned": "Nuevo lead: {who}",
    "sla.warned": "Se espera una respuesta: {who}",
    "sla.breached": "Compromiso incumplido: {who}",
    "lead.merged": "Un duplicado, ya no es tuyo: {who}",
    "lead.qualified": "Cualificado: {who}",
    "lead.rejected": "Ventas lo rechaza: {who}",
    "lead.recycled": "De vuelta a marketing: {who}",
    "lead.disqualified": "Fuera del embudo: {who}",
    "endpoint.disabled": "Un destino ya no recibe nada: {name}",
    "test": "Una prueba de Relevo",
    "somebody": "alguien",
    "for": "Para {rep}, equipo {team}. Encaje {grade}, interés {level}.",
    "due": "Vence {due}.",
    "because": "Motivo: {reason}.",
    "until": "No antes de {until}.",
    "asked": "Preguntó", "read": "Leyó", "opened": "Abrió", "attended": "Asistió", "reasons": "Por qué ahora",
    "times": "{what} ({times} veces)",
    "say": "Una primera frase",
    "say.asked": "Hola, {first}: soy {rep}, de {us}. Nos preguntaste: «{text}» ¿Tienes diez minutos para la respuesta?",
    "say.attended": "Hola, {first}: soy {rep}, de {us}. Estuviste en «{title}»: ¿qué te llevó allí?",
    "say.read": "Hola, {first}: soy {rep}, de {us}. Has visto «{title}»: ¿te cuento lo que otros preguntan?",
    "say.nothing": "Hola, {first}: soy {rep}, de {us}. Querías hablar con nosotros: ¿en qué te ayudo?",
    "phone": "Teléfono", "email": "Correo", "company": "Empresa", "job": "Puesto",
    "accept": "Aceptar", "reject": "Rechazar", "contacted": "Hemos hablado", "reject.because": "Rechazar porque …",
    "page.accept": "Aceptar este lead", "page.reject": "Rechazar este lead", "page.contacted": "Hemos hablado",
    "page.sure": "{who}. No pasa nada hasta que confirmes.",
    "page.why": "¿Por qué?",
    "page.done": "Gracias, queda anotado.",
    "page.dead": "Este enlace ya no hace nada",
    "page.dead.why": "Ya se usó, ha caducado, o el lead es ahora de otra persona.",
    "page.no": "Eso no puede ser",
    "note": "Nota",
}  # fmt: skip
WORDS: Final[dict[Language, dict[str, str]]] = {"en": ENGLISH, "es": SPANISH}

REASONS: Final[dict[Language, dict[RejectReason, str]]] = {
    "en": {
        "no_need_now": "no need now", "unresponsive": "does not respond", "other": "something else",
        "wrong_size": "wrong size", "wrong_role": "wrong role", "competitor": "a competitor",
        "existing_customer": "a customer already", "wrong_geography": "not our territory",
        "no_contact_data": "no way to reach them", "duplicate": "a duplicate",
    },
    "es": {
        "no_need_now": "no lo necesita ahora", "unresponsive": "no responde", "other": "otro motivo",
        "wrong_size": "tamaño inadecuado", "wrong_role": "puesto inadecuado", "competitor": "es competencia",
        "existing_customer": "ya es cliente", "wrong_geography": "no es nuestro territorio",
        "no_contact_data": "no hay cómo contactar", "duplicate": "duplicado",
    },
}  # fmt: skip


def language_of(name: object) -> Language:
    return "es" if name == "es" else "en"


def say(language: Language, key: str, **values: object) -> str:
    """Values are put in as they are: whoever shows them escapes the whole."""
    return WORDS[language][key].format(**values)
