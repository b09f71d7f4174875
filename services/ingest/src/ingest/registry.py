"""sources.yaml: who may send touchpoints, with which key, and how they are read. PURE: text in, sources out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["api", "form", "segment"]

FORM_MEANINGS = (
    "email", "phone", "name", "first_name", "last_name", "company", "website", "message", "consent",
    "user_id", "anonymous_id", "event_id", "occurred_at", "url", "title", "form",
)  # fmt: skip


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


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Source(_Strict):
    """One sender: a site's forms, a back end, an SDK."""

    name: Name
    kind: Kind
    access: Literal["public", "secret"] = Field(description="public: the key stands in a page, for everybody to read.")
    keys: tuple[Key, ...] = Field(min_length=1)
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
    def _one_name_is_a_list(cls, data: object) -> object:
        """`email: correo` and `honeypot: web` are short for lists of one."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for name in ("honeypot", "origins"):
            if isinstance(data.get(name), str):
                data[name] = [data[name]]
        if isinstance(data.get("fields"), dict):
            data["fields"] = {k: [v] if isinstance(v, str) else v for k, v in data["fields"].items()}
        return data

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        unknown = set(self.fields) - set(FORM_MEANINGS)
        if unknown:
            raise ValueError(f"fields: {sorted(unknown)[0]} is no meaning; known are {', '.join(FORM_MEANINGS)}")
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

    def holds(self, key: str, now: datetime) -> bool:
        """Whether `key` is one of this source's keys now. Hashes are compared, so time tells nothing of a key."""
        digest = sha256(key.encode()).hexdigest()
        return any(own.sha256 == digest and own.in_force(now) for own in self.keys)

    def allows_origin(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins


class _File(_Strict):
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Sources:
    """All sources of one file."""

    by_name: Mapping[str, Source] = field(default_factory=dict)
    by_hash: Mapping[str, tuple[Source, Key]] = field(default_factory=dict)  # of a key
    origins: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Source]:
        return iter(self.by_name.values())

    def of_key(self, key: str, now: datetime) -> Source | None:
        """The source this key belongs to, if it is in force."""
        found = self.by_hash.get(sha256(key.encode()).hexdigest())
        return found[0] if found is not None and found[1].in_force(now) else None


class SourcesError(ValueError):
    """sources.yaml cannot be used; `problems` says where and why, never with a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(text: str) -> Sources:
    """The sources of a file's text. Raises SourcesError with everything that is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise SourcesError([f"{where}no YAML: {getattr(error, 'problem', None) or 'unreadable'}"]) from None
    try:
        sources = _File.model_validate(document or {}).sources
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
    return Sources(by_name, by_hash, frozenset(origin for source in sources for origin in source.origins))


def _said(document: object, place: tuple[int | str, ...], message: str) -> str:
    """`newsletter: keys.0.sha256: …`: a source by its name where it has one, else by its number."""
    parts = [str(part) for part in place]
    if len(place) > 1 and place[0] == "sources" and isinstance(document, dict) and isinstance(place[1], int):
        entry = document["sources"][place[1]] if isinstance(document.get("sources"), list) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        parts = [name if isinstance(name, str) and name.isprintable() else f"source {place[1] + 1}", *parts[2:]]
    return f"{': '.join(filter(None, [parts[0] if parts else '', '.'.join(parts[1:])]))}: {message}"
