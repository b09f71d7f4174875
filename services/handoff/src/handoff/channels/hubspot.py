"""HubSpot: the contact is created or updated under its e-mail, owned by the rep, with a task that tells everything.

Asked in this order, so that a try after a lost answer finds the contact and makes at most the task twice: owner by
e-mail, upsert of the contact, task with the association to it (type 204). Errors are JSON with a `category`.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import orjson

from handoff.channels.common import Parcel, Sending, Tools, read_json
from handoff.deliveries import Tried
from handoff.tell import Told
from handoff.words import say
from relevo.outbound import Answer

TASK_TO_CONTACT = 204


async def send(parcel: Parcel, tools: Tools) -> Tried:
    this = Sending(parcel)
    try:
        token = tools.vault.open(parcel.claimed.secrets[0])
    except ValueError as error:
        return this.over("again", None, str(error))
    calls = _Calls(this, tools, token)
    envelope = orjson.loads(parcel.claimed.body)
    if envelope["type"] == "test":
        found = await calls.get("/crm/v3/owners", limit="1")
        return found if isinstance(found, Tried) else this.over("made", 200, None)

    owner = None
    if parcel.email is not None:
        found = await calls.get("/crm/v3/owners", email=parcel.email, limit="1")
        if isinstance(found, Tried):
            return found
        owner = next((str(each["id"]) for each in found.get("results", ())), None)
    contact = contact_of(envelope["data"], owner)
    if "email" in contact:
        wanted = {"inputs": [{"idProperty": "email", "id": contact["email"], "properties": contact}]}
        found = await calls.post("/crm/v3/objects/contacts/batch/upsert", wanted)
    else:
        found = await calls.post("/crm/v3/objects/contacts", {"properties": contact})
    if isinstance(found, Tried):
        return found
    contact_id = str((found.get("results") or [found])[0]["id"])
    made = await calls.post("/crm/v3/objects/tasks", task_of(parcel, parcel.told(), envelope, contact_id, owner))
    if isinstance(made, Tried):
        return made
    return this.over("made", 201, None, {"contact": contact_id, "task": str(made.get("id"))})


class _Calls:
    """Calls under one token; a call gives its answer's JSON, or what the try comes to."""

    def __init__(self, this: Sending, tools: Tools, token: str) -> None:
        self._this, self._tools = this, tools
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def get(self, path: str, **query: str) -> Mapping[str, Any] | Tried:
        return await self._call("GET", f"{path}?{urlencode(query)}", None)

    async def post(self, path: str, body: Any) -> Mapping[str, Any] | Tried:
        return await self._call("POST", path, orjson.dumps(body))

    async def _call(self, method: str, path: str, body: bytes | None) -> Mapping[str, Any] | Tried:
        url = self._tools.settings.hubspot_url + path
        answer = await self._this.ask(self._tools.services, method, url, self._headers, body)
        if isinstance(answer, Tried):
            return answer
        return read_json(answer) if 200 <= answer.status < 300 else _judged(self._this, answer)


def _judged(this: Sending, answer: Answer) -> Tried:
    """A token that is refused is gone until somebody mends it; what is not valid will not be so at the next try."""
    if answer.status == 401:
        return this.over("gone", 401, "HubSpot refused the token")
    if answer.status in (400, 404, 409):
        category = str(read_json(answer).get("category", "no category"))[:60]
        return this.over("refused", answer.status, f"HubSpot answered {answer.status}, {category}")
    return this.over("again", answer.status, f"HubSpot answered {answer.status}")


def contact_of(data: Mapping[str, Any], owner: str | None) -> dict[str, str]:
    """HubSpot's own names of what we know; what is unknown is left as it is there."""
    snapshot = data.get("snapshot") or data
    contact, company = snapshot.get("contact") or {}, snapshot.get("company") or {}
    known = {
        "email": contact.get("email"),
        "firstname": contact.get("first_name") or (None if contact.get("last_name") else contact.get("full_name")),
        "lastname": contact.get("last_name"),
        "phone": contact.get("phone"),
        "jobtitle": contact.get("job_title"),
        "company": company.get("name"),
        "website": company.get("domain"),
        "country": contact.get("country"),
        "hubspot_owner_id": owner,
    }
    return {name: value for name, value in known.items() if value}


def task_of(
    parcel: Parcel, told: Told, envelope: Mapping[str, Any], contact_id: str, owner: str | None
) -> dict[str, Any]:
    properties = {
        "hs_timestamp": envelope["data"].get("due_at") or envelope["timestamp"],
        "hs_task_subject": told.title,
        "hs_task_body": "".join(_html(told, parcel)),
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH",
        "hs_task_type": "CALL",
        **({"hubspot_owner_id": owner} if owner else {}),
    }
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_CONTACT}
    return {"properties": properties, "associations": [{"to": {"id": contact_id}, "types": [kind]}]}


def _html(told: Told, parcel: Parcel) -> Iterator[str]:
    yield from (f"<p>{escape(line)}</p>" for line in told.lead)
    for heading, lines in told.chapters:
        yield f"<p><strong>{escape(heading)}</strong></p><ul>"
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield "</ul>"
    if told.opening:
        yield f"<p><strong>{escape(say(parcel.language, 'say'))}</strong></p><p>{escape(told.opening)}</p>"
    for act, url in parcel.links.items():
        yield f'<p><a href="{escape(url)}">{escape(say(parcel.language, act))}</a></p>'
