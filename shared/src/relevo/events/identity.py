"""Who a touchpoint speaks of, and which touchpoint it is: canonical identifiers, subject ids, touchpoint ids."""

import hmac
import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from hashlib import sha1, sha256
from typing import Final, Literal
from uuid import UUID

import idna

SubjectKind = Literal["email", "user", "anonymous"]
STRENGTH: Final[dict[SubjectKind, int]] = {"email": 0, "user": 1, "anonymous": 2}

_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}")
_NAMESPACE: Final = UUID("6f0a4c1e-5b1d-5c7e-9d43-2f7d0b6f9a10")  # of every touchpoint id; never changes
_NAMED: Final = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # of RFC 9562, by what the hash has there
_SLOT_SECONDS: Final = 600

# Addresses of an office, not of a person (RFC 2142 and common practice, English and Spanish).
_ROLES: Final = frozenset(
    "abuse admin administracion admon atencion ayuda billing careers clientes comercial compras contabilidad "
    "contact contacto facturacion finance gerencia hello help hola hostmaster hr info informacion jobs legal mail "
    "marketing news noc no-reply noreply office oficina pedidos postmaster press prensa privacy proveedores "
    "recepcion rrhh sales security service soporte support team tienda ventas webmaster".split()
)


def canonical_email(text: str) -> str | None:
    """`text` trimmed, NFC, lower case, domain in IDNA ASCII; None where it is no address (RFC 5321 lengths)."""
    address = text.strip().lower()
    if not address.isascii():
        address = unicodedata.normalize("NFC", address)
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    try:
        host = canonical_domain(domain)
    except ValueError:
        return None
    if len(local) + 1 + len(host) > 254:
        return None
    return f"{local}@{host}"


@lru_cache(maxsize=20_000)
def canonical_domain(domain: str) -> str:
    """A host name in lower-case ASCII (IDNA 2008, UTS 46 mapping). Raises ValueError where it is none."""
    host = domain.strip().rstrip(".").lower()
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()  # idna.IDNAError is a ValueError
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a domain name")
    return host


_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def is_role_address(email: str) -> bool:
    """`info@`, `ventas@` …: an identifier of its own that ties no other one to a person. `email` is canonical."""
    return email.partition("@")[0].partition("+")[0] in _ROLES


def is_tagged_address(email: str) -> bool:
    """`ana+webinar@…`: whether the tag names another person is unknown, so it ties nothing either."""
    return "+" in email.partition("@")[0]


def ties(email: str) -> bool:
    """Whether an e-mail may tie anonymous and user ids to its lead. `email` is canonical."""
    return not is_role_address(email) and not is_tagged_address(email)


def subject_id(secret: bytes, kind: SubjectKind, value: str) -> str:
    """HMAC-SHA256(installation secret, kind + value), first 16 bytes as 32 hex digits. A NUL parts kind from value."""
    digest = _keyed(secret).copy()
    digest.update(f"{kind}\0{value}".encode())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=8)
def _keyed(secret: bytes) -> hmac.HMAC:
    """What HMAC makes of the secret alone, which is half its work."""
    return hmac.new(secret, digestmod="sha256")


def touchpoint_id(source: str, event_id: str) -> str:
    """The id of the touchpoint that the sender calls `event_id`, within its source: a retry is the same touchpoint."""
    digest = _NAMED.copy()  # uuid5 written out, which would hash its namespace again for every touchpoint
    digest.update(f"{source}\0{event_id}".encode())
    told = digest.hexdigest()
    return f"{told[:8]}-{told[8:12]}-5{told[13:16]}-{_VARIANT[told[16]]}{told[17:20]}-{told[20:32]}"


def fingerprint(form: str, person: str, body: bytes, received_at: datetime) -> str:
    """An event id for a sender that gives none: form + person + body in a fixed 10-minute slot of the receipt."""
    slot = int(received_at.timestamp()) // _SLOT_SECONDS
    digest = sha256(f"{form}\0{person}\0{slot}\0".encode() + body).hexdigest()
    return f"fingerprint:{digest}"
