"""What a browser shows after a form, where the site names no page of its own; English and Spanish, no script. PURE."""

from html import escape

HEADERS = ((b"content-type", b"text/html; charset=utf-8"),)
_STYLE = "body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:34rem;padding:0 1rem;color:#222}"


def page(language: str, title: str, text: str) -> bytes:
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p></html>"
    ).encode()


def language(accepted: str | None) -> str:
    """`es` where Spanish comes before English in Accept-Language, else `en`."""
    for part in (accepted or "").lower().split(","):
        tag = part.strip()[:2]
        if tag in ("es", "en"):
            return tag
    return "en"


def thanks(language: str) -> bytes:
    if language == "es":
        return page("es", "Gracias", "Hemos recibido tus datos. Te responderemos muy pronto.")
    return page("en", "Thank you", "We have received your message and will answer soon.")


def sorry(language: str, field: str | None) -> bytes:
    """A form that was not taken; only the one mistake people make gets a word of its own."""
    if language == "es":
        text = "Revisa la dirección de correo" if field == "email" else "El formulario no se pudo enviar"
        return page("es", "Falta algo", f"{text}, vuelve atrás e inténtalo de nuevo.")
    text = "Please check the e-mail address" if field == "email" else "The form could not be sent"
    return page("en", "Something is missing", f"{text}, go back and try again.")
