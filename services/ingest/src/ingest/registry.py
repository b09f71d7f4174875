"""sources.yaml: who may send touchpoints, with which key, and how they are read. PURE: text in, sources out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from relevo.kinds import (
    ALWAYS_SIGN,
    ASK_WITH_KEY,
    NEVER_SIGN,
    SEND_IDS,
    SIGN_BY_TOPIC,
    SIGN_THEIR_ADDRESS,
    WEBHOOKS,
    Kind,
)
from relevo.meanings import MEANINGS


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Strict):
    """A key's hash. While a key is rotated two stand here: the old one with `until`."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the key; the key itself is never written down.")
    until: AwareDatetime | None = None

    def in_force(self, now: datetime) -> bool:
        return self.until is None or now < self.until


class Rate(_Strict):
    """How much one replica takes from a source; beyond it 429 with Retry-After."""

    per_second: float = Field(gt=0)
    burst: int = Field(ge=1, description="Touchpoints taken at once after a quiet time.")


class Secret(_Strict):
    """A secret the tool shares with us, by where it stands; it never stands in this file."""

    env: str | None = Field(default=None, min_length=1, description="A variable of ingest's environment.")
    file: str | None = Field(default=None, min_length=1, description="A file; beside sources.yaml if not absolute.")
    _value: str = PrivateAttr("")

    @model_validator(mode="after")
    def _found(self, info: ValidationInfo) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("say where it stands: either env or file")
        self._value = _context(info)["reveal"](self)
        return self

    @property
    def value(self) -> bytes:
        return self._value.encode()


def _context(info: ValidationInfo) -> dict[str, Any]:
    """What `load` looks secrets up with, and where the world reaches the service."""
    assert isinstance(info.context, dict)
    return info.context


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Source(_Strict):
    """One sender: a site's forms, a back end, an SDK, a tool's webhook."""

    name: Name
    kind: Kind
    access: Literal["public", "secret"] = Field(
        default="secret", description="public: the key stands in a page, for everybody to read."
    )
    keys: tuple[Key, ...] = ()
    secrets: tuple[Secret, ...] = Field(
        default=(), description="What a webhook's tool signs with, or its public key; two while one is rotated."
    )
    token: Secret | None = Field(default=None, description="What leads of which only the id comes are fetched with.")
    topics: tuple[str, ...] = Field(default=(), description="amazon_ses: the SNS topics (ARN) that may send.")
    url: str | None = Field(default=None, description="The webhook's address as its tool has it, without any key.")
    origins: tuple[str, ...] = Field(default=(), description="Pages that may send (public); https://www.example.com")
    rate: Rate | None = None
    id_namespace: Name = Field(default="company", description="Whose user ids these are; the company's own.")
    country: str | None = Field(
        default=None, pattern=r"^[A-Z]{2}$", description="Of phone numbers written without a country code."
    )
    fields: Mapping[str, tuple[str, ...]] = Field(default_factory=dict, description="meaning → its field names")
    honeypot: tuple[str, ...] = ("_gotcha", "_honey")
    thanks: str | None = Field(default=None, description="Where a browser goes after a form; else a short page.")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: object, info: ValidationInfo) -> object:
        """`email: correo`, `honeypot: web`, `secrets: {env: X}` are short for lists of one; a webhook's address follows
        from the service's own."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for name in ("honeypot", "origins", "secrets", "topics"):
            if isinstance(data.get(name), str | dict):
                data[name] = [data[name]]
        kind = str(data.get("kind"))
        if kind in ("hubspot", "hubspot_forms"):
            data.setdefault("id_namespace", "hubspot")  # its events know contacts by HubSpot's ids
        if kind in WEBHOOKS and (base := _context(info)["public_url"]):
            data.setdefault("url", f"{base.rstrip('/')}/v1/webhooks/{data.get('name')}")
        if isinstance(data.get("fields"), dict):
            data["fields"] = {k: [v] if isinstance(v, str) else v for k, v in data["fields"].items()}
        return data

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        unknown = set(self.fields) - set(MEANINGS)
        if unknown:
            raise ValueError(f"fields: {sorted(unknown)[0]} is no meaning; known are {', '.join(MEANINGS)}")
        for origin in self.origins:
            parts = urlsplit(origin)
            if origin != "*" and (
                parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("origins: write scheme and host only, as in https://www.example.com")
        if self.thanks is not None and urlsplit(self.thanks).scheme not in ("http", "https"):
            raise ValueError("thanks: write a whole address, as in https://www.example.com/gracias")
        if self.access == "secret" and self.origins:
            raise ValueError("origins are for public sources: a secret key has no place in a page")
        return self

    @model_validator(mode="after")
    def _can_be_told_from_others(self) -> Self:
        if (because := _unproven_webhook(self) if self.is_webhook else _unproven(self)) is not None:
            raise ValueError(because)
        return self

    @property
    def is_webhook(self) -> bool:
        return self.kind in WEBHOOKS

    @property
    def signed(self) -> bool:
        """Whether its requests must bear a signature, beside a key where it has some."""
        return bool(self.secrets or self.topics)

    @property
    def key_asks(self) -> bool:
        """Whether its key is for the handshake alone."""
        return self.kind in ASK_WITH_KEY

    def holds(self, key: str, now: datetime) -> bool:
        """Whether `key` is one of this source's keys now. Hashes are compared, so time tells nothing of a key."""
        digest = sha256(key.encode()).hexdigest()
        return any(own.sha256 == digest and own.in_force(now) for own in self.keys)

    def allows_origin(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins


def _unproven(source: Source) -> str | None:
    if not source.keys:
        return "keys: give it one at least"
    if source.secrets or source.topics or source.url or source.token:
        return f"secrets, topics, token and url are for webhooks; {source.kind} has keys"
    return None


def _unproven_webhook(source: Source) -> str | None:
    """Why nobody could tell its tool from somebody else, or what would only seem to help."""
    kind: str = source.kind
    ways = "keys" if kind in NEVER_SIGN else "keys or topics" if kind in SIGN_BY_TOPIC else "keys or secrets"
    if source.access == "public":
        return "access: a webhook is secret, its address is for the tool alone"
    address = urlsplit(source.url or "https://none.given")
    if address.scheme not in ("http", "https") or not address.hostname:
        return "url: write the whole address, as in https://ingest.example.com/v1/webhooks/name"
    if "@" in address.netloc or address.query or address.fragment:
        return "url: leave user, password and ?key= out, they are secret; what a tool calls them with is added"
    if source.secrets and kind in NEVER_SIGN | SIGN_BY_TOPIC:
        return f"secrets: {kind} has none to sign with; give it {ways}"
    if source.topics and kind not in SIGN_BY_TOPIC:
        return f"topics are for {', '.join(SIGN_BY_TOPIC)}"
    if not source.secrets and kind in ALWAYS_SIGN:
        return f"secrets: say where the secret stands that {kind} signs every request with"
    if not (source.keys or source.signed):
        return f"nothing proves who sends: give it {ways}"
    if (source.token is None) == (kind in SEND_IDS):
        needs = f"say where the token stands that {kind}'s leads are fetched with"
        return f"token: {needs}" if kind in SEND_IDS else f"token: {kind} sends all there is"
    if source.key_asks and not source.keys:
        return f"keys: {kind} asks with one before it sends; give it one"
    if source.secrets and source.url is None and kind in SIGN_THEIR_ADDRESS:
        return f"url: {kind} signs the address it calls: write it here, or set RELEVO_PUBLIC_URL"
    return None


class _File(_Strict):
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Sources:
    """All sources of one file."""

    by_name: Mapping[str, Source] = field(default_factory=dict)
    by_hash: Mapping[str, tuple[Source, Key]] = field(default_factory=dict)  # of a key
    origins: frozenset[str] = frozenset()
    _seen: dict[str, tuple[Source, Key]] = field(default_factory=dict, init=False)  # by a key that came and is one

    def __iter__(self) -> Iterator[Source]:
        return iter(self.by_name.values())

    def of_key(self, key: str, now: datetime) -> Source | None:
        """The source this key belongs to, if it is in force."""
        found = self._seen.get(key) or self.by_hash.get(sha256(key.encode()).hexdigest())
        if found is None:
            return None
        self._seen[key] = found
        return found[0] if found[1].in_force(now) else None


class SourcesError(ValueError):
    """sources.yaml cannot be used; `problems` says where and why, never with a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _nowhere(secret: Secret) -> str:
    raise ValueError("there are no secrets here")


def load(text: str, reveal: Callable[[Secret], str] = _nowhere, public_url: str | None = None) -> Sources:
    """The sources of a file's text; `reveal` looks secrets up, and raises ValueError, which is told, where one is
    missing. Raises SourcesError with everything that is wrong."""
    context: dict[str, Any] = {"reveal": reveal, "public_url": public_url}
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise SourcesError([f"{where}no YAML: {getattr(error, 'problem', None) or 'unreadable'}"]) from None
    try:
        sources = _File.model_validate(document or {}, context=context).sources
    except ValidationError as error:
        raise SourcesError([_said(document, e["loc"], e["msg"]) for e in error.errors(include_input=False)]) from None
    problems: list[str] = []
    by_name: dict[str, Source] = {}
    by_hash: dict[str, tuple[Source, Key]] = {}
    for source in sources:
        if source.name in by_name:
            problems.append(f"{source.name}: the name stands twice")
        by_name[source.name] = source
        for key in source.keys:
            if key.sha256 in by_hash:
                problems.append(f"{source.name}: a key of {by_hash[key.sha256][0].name} stands here again")
            by_hash[key.sha256] = source, key
    if problems:
        raise SourcesError(problems)
    # A webhook's key may stand in an address, and so in many a log: it opens its own webhook and nothing else.
    by_hash = {digest: found for digest, found in by_hash.items() if not found[0].is_webhook}
    return Sources(by_name, by_hash, frozenset(origin for source in sources for origin in source.origins))


def _said(document: object, place: tuple[int | str, ...], message: str) -> str:
    """`newsletter: keys.0.sha256: …`: a source by its name where it has one, else by its number."""
    parts = [str(part) for part in place]
    if len(place) > 1 and place[0] == "sources" and isinstance(document, dict) and isinstance(place[1], int):
        entry = document["sources"][place[1]] if isinstance(document.get("sources"), list) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        parts = [name if isinstance(name, str) and name.isprintable() else f"source {place[1] + 1}", *parts[2:]]
    return f"{': '.join(filter(None, [parts[0] if parts else '', '.'.join(parts[1:])]))}: {message}"
