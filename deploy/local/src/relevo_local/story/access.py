"""Keys of the story: of its six sources, and of each rep, whose answers nobody else can give."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

from relevo_local.home import write_private
from relevo_local.story.touches import ACCOUNTING, DEMO_FORM, FAIR_TOOL, GUIDE_FORM, MAIL_TOOL, WEB
from relevo_local.story.words import SITE

# A public key is anybody's, so it is kept slow; here a whole quarter passes within a minute.
_PUBLIC: Final = {"access": "public", "origins": [SITE], "rate": {"per_second": 2000, "burst": 10000}, "country": "ES"}
_SOURCES: Final[Mapping[str, Mapping[str, Any]]] = {
    WEB: {"kind": "segment", **_PUBLIC},
    DEMO_FORM: {"kind": "form", **_PUBLIC, "thanks": f"{SITE}/gracias"},
    GUIDE_FORM: {"kind": "form", **_PUBLIC},
    MAIL_TOOL: {"kind": "api", "access": "secret"},
    FAIR_TOOL: {"kind": "api", "access": "secret", "country": "ES"},
    ACCOUNTING: {"kind": "api", "access": "secret"},
}
SOURCES: Final = tuple(_SOURCES)


@dataclass(frozen=True)
class Access:
    """The keys in clear: their holders know them, the services only their hashes."""

    sources: Mapping[str, str]
    reps: Mapping[str, str]


def grant(folder: Path, reps: Iterable[str]) -> Access:
    """Draw the keys, and write sources.yaml and tokens.yaml, to which a system that starts here adds its own."""
    access = Access({name: _key() for name in SOURCES}, {rep: _key() for rep in reps})
    sources = [{"name": n, **_SOURCES[n], "keys": [{"sha256": _hash(key)}]} for n, key in access.sources.items()]
    tokens = [
        {"name": rep, "sha256": _hash(key), "scopes": ["read", "answer"], "rep": rep, "role": "rep"}
        for rep, key in access.reps.items()
    ]
    write_private(folder / "sources.yaml", yaml.safe_dump({"sources": sources}, sort_keys=False))
    write_private(folder / "tokens.yaml", yaml.safe_dump({"tokens": tokens}, sort_keys=False))
    return access


def _key() -> str:
    return secrets.token_urlsafe(24)


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()
