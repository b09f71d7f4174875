"""What a form's field or a table's column means, by its name, in English and Spanish. PURE."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from relevo.events.identity import canonical_email

# The better names first: the first field found wins.
_NAMES: dict[str, str] = {
    "email": "email e_mail email_address emailaddress mail correo correo_electronico correo_e work_email "
    "business_email company_email user_email contact_email email_profesional email_corporativo "
    "email_empresa email_de_empresa correo_profesional correo_corporativo correo_de_empresa "
    "direccion_de_correo direccion_de_correo_electronico direccion_de_email "
    "correo_electronico_profesional correo_electronico_corporativo email_id best_email",
    "phone": "phone phone_number phonenumber telephone telephone_number tel mobile mobile_phone mobile_number "
    "cell telefono telefono_movil telefono_de_contacto telefono_contacto numero_de_telefono movil "
    "celular whatsapp fono work_phone work_phone_number telefono_profesional",
    "first_name": "first_name firstname fname given_name forename primer_nombre",
    "last_name": "last_name lastname lname surname family_name apellidos apellido primer_apellido",
    "name": "full_name fullname nombre_completo nombre_y_apellidos nombre_y_apellido nombre_apellidos "
    "contact_name nombre_de_contacto name nombre como_te_llamas",
    "company": "company company_name organization organisation organization_name empresa nombre_empresa "
    "nombre_de_empresa nombre_de_la_empresa compania organizacion business_name razon_social employer "
    "what_company_do_you_work_for where_do_you_work en_que_empresa_trabajas donde_trabajas",
    "website": "company_website company_domain website domain web sitio_web pagina_web web_empresa web_de_la_empresa",
    "message": "message mensaje comments comment comentarios comentario consulta observaciones question pregunta "
    "inquiry how_can_we_help en_que_podemos_ayudarte en_que_te_podemos_ayudar",
    # Only what asks for consent: a privacy notice that was read is no consent to be written to.
    "consent": "consent marketing_consent gdpr_consent consentimiento opt_in optin marketing_opt_in gdpr rgpd "
    "newsletter acepto_comunicaciones acepto_recibir_comunicaciones acepto_recibir_informacion",
    "user_id": "user_id userid external_id customer_id",
    "anonymous_id": "anonymous_id anonymousid ajs_anonymous_id visitor_id",
    "event_id": "event_id submission_id entry_id response_id",
    "occurred_at": "occurred_at submitted_at submission_date",
    "url": "page_url page_uri source_url url_de_la_pagina url",
    "title": "page_title page_name titulo_de_la_pagina",
    "form": "form form_name form_id form_title formulario nombre_del_formulario",
}
MEANINGS = tuple(_NAMES)
_LAST = 1_000  # of a meaning's ranks
_RANKED = {name: (meaning, rank) for meaning, names in _NAMES.items() for rank, name in enumerate(names.split())}

# Where a visit came from: utm_name → the event's own name for it.
UTM = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}
# Google (three), Meta, Microsoft, LinkedIn, TikTok, X, Google Display, Reddit, Pinterest, Snapchat
CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "msclkid", "li_fat_id", "ttclid", "twclid", "dclid",
             "rdt_cid", "epik", "sccid")  # fmt: skip

# Never kept: what proves a session or a person, and what only the form's own machinery needs.
_MACHINERY = re.compile(
    r"^_|^g_recaptcha|^h_captcha|^cf_turnstile|csrf|authenticity_token|requestverificationtoken|^wpforms_token|^key$|"
    r"passw(?:or)?d|contrasena|card_?number|\bcvv\b|\bcvc\b"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?:\[\])?$")
_OTHER = re.compile(r"[^a-z0-9]+")
# What stands around a name in a question: `what_is_your_company`, `escribe_tu_correo`.
_AROUND = re.compile(
    r"^(?:(?:what_is|what_s|whats|please_enter|enter|please_tell_us|tell_us|cual_es|indica|indicanos|escribe|dinos)_)?"
    r"(?:(?:your|the|tu|su|mi|el|la|contact|form|field|input)_)?(?=.)"
)
# A sentence to be ticked: `I agree to receive your newsletter`, `Quiero recibir novedades y ofertas`.
_AGREES = re.compile(
    r"(?:agree|accept|consent|like|want|acepto|autorizo|consiento|quiero|deseo)_(?:.*_)?"
    r"(?:newsletters?|marketing|promotions?|promotional|promociones|comunicaciones|novedades|ofertas|updates|offers|news)"
    r"(?:_|$)"
)
_SENTENCE = 300
_PATH = re.compile(r"^(?:[^\s.]+\.)+(?=\S)")


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """`Correo electrónico` → `correo_electronico`, `fields[firstName]` → `first_name`, `data.E-mail` → `e_mail`."""
    if (bracketed := _BRACKETED.search(name)) is not None:
        name = bracketed.group(1)
    name = _CAMEL.sub("_", _PATH.sub("", name))
    name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("_", name).strip("_")


def _agreed(short: str) -> tuple[str, int] | None:
    return ("consent", _LAST) if len(short) <= _SENTENCE and _AGREES.search(short) else None  # it takes length squared


def is_machinery(name: str) -> bool:
    """A token, a nonce, a password: nothing of the person's, or nothing that may be kept."""
    return name.startswith("_") or _MACHINERY.search(plain(name)) is not None


def meanings(
    fields: Mapping[str, str], mapping: Mapping[str, Iterable[str]], typed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Meaning → the field that has it. What the source's mapping says goes first; then names; then what the tool knows
    by its fields' types; then, for the e-mail, the only value that is an address."""
    found: dict[str, str] = {}
    for meaning, names in mapping.items():
        wanted = {plain(name) for name in names} | set(names)
        named = next((field for field in fields if field in wanted or plain(field) in wanted), None)
        if named is not None:
            found[meaning] = named
    best: dict[str, tuple[int, str]] = {}
    for field in fields:
        short = plain(field)
        known = _RANKED.get(short) or _RANKED.get(_AROUND.sub("", short)) or _agreed(short)
        if known is None or known[0] in mapping or field in found.values():
            continue
        meaning, rank = known
        if meaning not in best or rank < best[meaning][0]:
            best[meaning] = (rank, field)
    found |= {meaning: field for meaning, (_, field) in best.items()}
    found |= {
        meaning: field for meaning, field in (typed or {}).items() if meaning not in found and meaning not in mapping
    }
    if "email" not in found and "email" not in mapping:
        addresses = [field for field, value in fields.items() if "@" in value and canonical_email(value) is not None]
        if len(addresses) == 1:
            found["email"] = addresses[0]
    return found


def person(first: str | None, last: str | None, full: str | None) -> tuple[str | None, str | None, str | None]:
    """First, last and full name: «nombre» beside «apellidos» is the first name alone."""
    return (full, last, None) if full and last and not first else (first, last, full)


_NO = re.compile(r"\s*(?:0|false|no|off|none)\b", re.IGNORECASE)


def is_no(value: str) -> bool:
    """Whether what a field of consent holds is a refusal; a box that is not ticked is not sent, or sent as no."""
    return _NO.match(value) is not None
