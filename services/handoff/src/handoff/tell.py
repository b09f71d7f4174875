"""PURE: a notice for people, whatever channel it takes: who, why now, what they read, opened and asked, what to say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from handoff.words import REASONS, Language, say

MOST = 5  # of a chapter: a rep reads this on a phone
CHAPTERS = ("asked", "attended", "read", "opened")


@dataclass(frozen=True)
class Told:
    """`facts`: label and value; `chapters`: heading and lines. `opening`: a first sentence to say, where there is one
    to be called. `assignment`: (id, version), where it can be answered."""

    title: str
    lead: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    chapters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    opening: str | None = None
    assignment: tuple[str, int] | None = field(default=None)


def tell(envelope: Mapping[str, Any], language: Language) -> Told:
    """`envelope`: the body of a delivery, read."""
    kind, data = envelope["type"], envelope["data"]
    if kind in ("test", "endpoint.disabled"):
        lines = tuple(str(data[name]) for name in ("because", "then") if name in data)
        return Told(say(language, kind, name=data.get("name", "")), lines)
    snapshot = data.get("snapshot") or data
    contact, company = snapshot.get("contact") or {}, snapshot.get("company") or {}
    answerable = kind in ("lead.assigned", "sla.warned", "sla.breached") and data.get("version")
    return Told(
        say(language, kind, who=who(contact, company, language)),
        tuple(_lead(data, language)),
        tuple(_facts(contact, company, language)),
        tuple(_chapters(data, language)),
        _opening(data, contact, language) if kind == "lead.assigned" else None,
        (data["assignment_id"], data["version"]) if answerable else None,
    )


def who(contact: Mapping[str, Any], company: Mapping[str, Any], language: Language) -> str:
    name = contact.get("full_name") or " ".join(filter(None, (contact.get("first_name"), contact.get("last_name"))))
    where = company.get("name") or company.get("domain")
    return ", ".join(filter(None, (name or contact.get("email") or contact.get("phone"), where))) or say(
        language, "somebody"
    )


def _lead(data: Mapping[str, Any], language: Language) -> Iterator[str]:
    rep, team, score = data.get("rep"), data.get("team"), data.get("score")
    if rep and team and score:
        yield say(
            language, "for", rep=rep["name"], team=team["name"], grade=score.get("grade"), level=score.get("level")
        )
    if data.get("due_at"):
        yield say(language, "due", due=_moment(data["due_at"]))
    if data.get("reason"):
        yield say(language, "because", reason=REASONS[language].get(data["reason"], data["reason"]))
    if data.get("until"):
        yield say(language, "until", until=_moment(data["until"]))


def _facts(contact: Mapping[str, Any], company: Mapping[str, Any], language: Language) -> Iterator[tuple[str, str]]:
    found = (
        ("phone", contact.get("phone")),
        ("email", contact.get("email")),
        ("job", contact.get("job_title")),
        ("company", company.get("name") or company.get("domain")),
    )
    yield from ((say(language, label), value) for label, value in found if value)


def _chapters(data: Mapping[str, Any], language: Language) -> Iterator[tuple[str, tuple[str, ...]]]:
    if reasons := data.get("reasons"):
        yield say(language, "reasons"), tuple(f"{each['name']} ({each['points']:+.3g})" for each in reasons[:MOST])
    for chapter in CHAPTERS:
        if entries := (data.get("story") or {}).get(chapter):
            yield say(language, chapter), tuple(_entry(entry, language) for entry in entries[:MOST])


def _entry(entry: Mapping[str, Any], language: Language) -> str:
    what = ": ".join(filter(None, (entry.get("title") or entry.get("url"), entry.get("text")))) or entry["what"]
    return what if entry["times"] == 1 else say(language, "times", what=what, times=entry["times"])


def _opening(data: Mapping[str, Any], contact: Mapping[str, Any], language: Language) -> str:
    """What they asked goes before what they attended, and that before what they read."""
    name = contact.get("first_name") or (contact.get("full_name") or "").split(" ")[0]
    known = {"first": name or say(language, "somebody"), "rep": data["rep"]["name"], "us": data["from"]}
    story = data.get("story") or {}
    if text := next((entry["text"] for entry in story.get("asked", ()) if entry.get("text")), None):
        return say(language, "say.asked", text=text, **known)
    for chapter in ("attended", "read"):
        if title := next((entry["title"] for entry in story.get(chapter, ()) if entry.get("title")), None):
            return say(language, f"say.{chapter}", title=title, **known)
    return say(language, "say.nothing", **known)


def _moment(at: str) -> str:
    """2026-03-02T09:00:00Z as a person reads it; the zone stays said."""
    return f"{at[:10]} {at[11:16]} UTC"
