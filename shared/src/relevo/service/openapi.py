"""What every OpenAPI document says alike: errors as problem+json, and which scope a token needs."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457; what is wrong, in which field, and what to do. It never holds a value that was sent.",
    "required": ["title", "status"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}
REFUSED = {
    "description": "Refused, or not possible now: 503 says when to come again",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
TOKEN = {"type": "http", "scheme": "bearer", "description": "A token of tokens.yaml; the scopes are its roles."}


def describe(app: FastAPI) -> None:
    """Put errors and scopes into the app's document, in place of FastAPI's own 422, which no route answers with."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = own()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM
        components["securitySchemes"] = {"token": TOKEN}
        scopes = _scopes(app)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = REFUSED
                if needed := scopes.get((path, method)):
                    operation["security"] = [{"token": [scope]} for scope in needed]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _scopes(app: FastAPI) -> dict[tuple[str, str], tuple[str, ...]]:
    """Of each path and method, the scopes of which a token needs one; see `relevo.service.needs`."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for route in app.routes:
        if isinstance(route, APIRoute):
            for dependency in route.dependant.dependencies:
                for method in route.methods or ():
                    found[route.path, method.lower()] = getattr(dependency.call, "scopes", ())
    return found
