"""One fully filled instance of any event, the same every time: for golden samples and for tests of the wire."""

import types
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel

from relevo.events import Event

E = TypeVar("E", bound=Event)

_NAMESPACE = UUID("3d6f2f0e-7a55-5c4e-8f5a-9b7a3c1d2e4f")
_MOMENT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

# Where a type alone does not tell what is allowed, or a plain word reads better.
_WORDS: dict[str, Any] = {
    "subject_id": "0123456789abcdef0123456789abcdef",
    "subject_ids": ("0123456789abcdef0123456789abcdef",),
    "by": "user:lucia-ferrer",
    "currency": "EUR",
    "email": "olga@talleres-ibarra.example",
    "domain": "talleres-ibarra.example",
    "phone": "+34910000000",
    "url": "https://forja.example/precios",
    "link": "https://forja.example/demo",
    "zone": "Europe/Madrid",
    "country": "ES",
    "language": "es",
    "body_base64": "ewo=",
    "version": "0123456789abcdef",
    "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


def sample(event: type[E]) -> E:
    """`event` with every field set, optional ones too; the same values every time."""
    return _model(event, event.__name__)


M = TypeVar("M", bound=BaseModel)


def _model(model: type[M], at: str) -> M:
    values = {name: _value(field.annotation, name, f"{at}.{name}") for name, field in model.model_fields.items()}
    return model.model_validate(values)


def _value(kind: Any, name: str, at: str) -> Any:
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(options[0], name, at)
    if origin in (Union, types.UnionType):
        return _value(next(option for option in options if option is not type(None)), name, at)
    if origin is Literal:
        return options[0]
    if origin is tuple:
        return _WORDS[name] if name in _WORDS else (_value(options[0], name, at),)
    if origin is dict:
        return {"example": _value(options[1], name, at)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(kind, at)
    return _plain(kind, name, at)


def _plain(kind: type, name: str, at: str) -> Any:
    if kind is str:
        return _WORDS.get(name, name.replace("_", " "))
    simple: dict[type, Any] = {
        bool: True,
        int: 1,
        float: 1.5,
        Decimal: Decimal("1234.50"),
        datetime: _MOMENT,
        AwareDatetime: _MOMENT,
    }
    return uuid5(_NAMESPACE, at) if kind is UUID else simple[kind]
