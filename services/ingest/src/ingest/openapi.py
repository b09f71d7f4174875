"""The hot routes in the OpenAPI document, by hand: FastAPI does not see them, their readers should."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import GenerateJsonSchema

from ingest.sources import jitsu
from ingest.sources.api import TouchpointBody
from ingest.sources.segment import CALLS

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ID = {
    "type": "object",
    "required": ["touchpoint_id"],
    "properties": {"touchpoint_id": {"type": "string", "format": "uuid"}},
}
_SCHEMAS: dict[str, Any] = {
    "TouchpointAccepted": _ID,
    "TouchpointAnswers": {
        "type": "object",
        "required": ["accepted", "refused", "items"],
        "properties": {
            "accepted": {"type": "integer"},
            "refused": {"type": "integer"},
            "items": {
                "type": "array",
                "description": "One answer per item, in order: 202 with its touchpoint_id, or a problem.",
                "items": {
                    "type": "object",
                    "required": ["index", "status"],
                    "properties": {
                        "index": {"type": "integer"},
                        "status": {"type": "integer"},
                        **_ID["properties"],  # type: ignore[dict-item]
                        **{name: {"type": "string"} for name in ("title", "detail", "field")},
                    },
                },
            },
        },
    },
}
_REFUSALS = {
    "400": "No JSON, too deep, not readable",
    "401": "Key missing, wrong or expired",
    "403": "A page that may not send; a public source that may not send this",
    "413": "Too large: 256 KiB, 500 KiB for batches, 2 MiB for webhooks",
    "415": "Content type, encoding or character set unknown",
    "422": "Not valid; `field` says where",
    "429": "Faster than the source may send; see Retry-After",
    "503": "Neither broker nor disk can keep it now; send it again after Retry-After",
}
_FIELDS = {"type": "object", "additionalProperties": True}


class _NumbersAreText(GenerateJsonSchema):
    """Where a text is expected a number is taken too, as its digits; pydantic does not say so by itself."""

    def str_schema(self, schema: Any) -> dict[str, Any]:
        return super().str_schema(schema) | {"type": ["string", "number"]}


def describe(app: FastAPI) -> None:
    """Add the hot routes to the app's OpenAPI document."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        document = own()
        schema = TouchpointBody.model_json_schema(
            ref_template="#/components/schemas/{model}", schema_generator=_NumbersAreText
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(schema.pop("$defs", {}), Touchpoint=schema, **_SCHEMAS)
        document["components"]["securitySchemes"] |= {
            "sourceKey": {"type": "http", "scheme": "bearer", "description": "A key of sources.yaml."},
            "writeKey": {
                "type": "http",
                "scheme": "basic",
                "description": "The key as user name, as Segment SDKs send it.",
            },
            "publicKey": {"type": "apiKey", "in": "query", "name": "key", "description": "Public sources only."},
        }
        document["paths"].update(_paths())
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _paths() -> dict[str, Any]:
    one = {"$ref": "#/components/schemas/Touchpoint"}
    several = {"type": "array", "maxItems": 1000, "items": one}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}
    name = {"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v1/touchpoints": {
            "post": _operation(
                "One touchpoint, or an array of them, each answered for itself",
                {"application/json": {"schema": {"oneOf": [one, several]}}},
                {
                    "202": _answer("Durable", "TouchpointAccepted"),
                    "207": _answer("An array: see each item's status", "TouchpointAnswers"),
                },
                [key],
            )
        },
        "/v1/forms/{source}": {
            "post": _operation(
                "Any HTML form, or JSON of its fields; browsers get a page or a redirect, scripts get JSON",
                {
                    "application/x-www-form-urlencoded": {"schema": _FIELDS},
                    "multipart/form-data": {"schema": _FIELDS},
                    "application/json": {"schema": _FIELDS},
                },
                {
                    "200": {"description": "A page that says thank you", "content": {"text/html": {}}},
                    "202": _answer("Durable", "TouchpointAccepted"),
                    "303": {"description": "To the source's own page"},
                },
                [name, key],
            )
        },
        "/v1/webhooks/{source}": {
            "get": _asked(name),
            "head": _asked(name),
            "post": _operation(
                "A tool's webhook, read as the source's kind says; what is unusable is kept as a failed touchpoint",
                {"application/json": {"schema": {}}, "application/x-www-form-urlencoded": {"schema": _FIELDS}},
                {"200": {"description": "Durable, or the answer to the tool's handshake"}},
                [name],
            ),
        },
        **{f"/v1/{call}": {"post": _sdk_call(f"Segment's {call} call")} for call in ("batch", "import", *CALLS)},
        "/beacon/v1/batch": {"post": _sdk_call("RudderStack's batch from a page that closes")},
        "/api/s/{call}": {"post": _sdk_call("Jitsu's calls, from pages", call=jitsu.CALLS)},
        "/api/s/s2s/{call}": {"post": _sdk_call("Jitsu's calls, from servers", call=jitsu.CALLS)},
        **{
            path: {"post": _sdk_call("PostHog's events; also at /capture/ and /e/")} for path in ("/batch/", "/i/v0/e/")
        },
        "/api/v1/customers/{identifier}": {
            "put": _sdk_call("Customer.io: a person is added or changed", identifier=()),
            "delete": _sdk_call("Customer.io: a person is deleted there", identifier=()),
        },
        "/api/v1/customers/{identifier}/events": {"post": _sdk_call("Customer.io: a person's event", identifier=())},
        "/api/v1/events": {"post": _sdk_call("Customer.io: an anonymous event")},
    }


def _asked(name: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    return {
        "tags": ["ingest"],
        "summary": "A tool asks whether this address is there, or makes its handshake",
        "parameters": [name],
        "responses": {
            "200": {"description": "It is"},
            "401": {"description": "No such webhook", "content": problem},
        },
    }


def _sdk_call(summary: str, **named: Sequence[str]) -> dict[str, Any]:
    """`named` is what stands in the address, and what it may be, if that is not anything."""
    answers: dict[str, Any] = {"200": {"description": "Durable; exactly 200, because SDKs send anything else again"}}
    if any(named.values()):
        problem = {"application/problem+json": {"schema": _PROBLEM}}
        answers["404"] = {"description": "No such call", "content": problem}
    return _operation(
        f"{summary}; whatever is no event is kept as a failed touchpoint",
        {"application/json": {"schema": {}}},
        answers,
        [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string"} | ({"enum": known} if known else {}),
            }
            for name, known in named.items()
        ],
        required=False,
    )


def _operation(
    summary: str,
    content: dict[str, Any],
    answers: dict[str, Any],
    parameters: list[dict[str, Any]],
    *,
    required: bool = True,
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    return {
        "tags": ["ingest"],
        "summary": summary,
        "security": [{"sourceKey": []}, {"writeKey": []}, {"publicKey": []}],
        "parameters": parameters,
        "requestBody": {"required": required, "content": content},
        "responses": answers
        | {status: {"description": text, "content": problem} for status, text in _REFUSALS.items()},
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
