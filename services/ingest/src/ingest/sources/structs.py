"""Structs made of pydantic's models, to read what is told plainly at a quarter of their cost. PURE.

A struct takes less than its model: the JSON types as they are named, and nothing unknown. What it takes has the values
that the model would find; what it refuses is for the model to judge, which is the contract and words the refusals.
"""

from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Meta, Struct, defstruct, field
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo


def struct_of(model: type[BaseModel]) -> type[Struct]:
    """The struct with `model`'s fields and defaults. Lengths stand in its annotations twice, as each of both asks."""
    fields = [(name, _type(told.annotation), *_default(told)) for name, told in model.model_fields.items()]
    return defstruct(model.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _type(annotation: Any) -> Any:
    if annotation is AwareDatetime:
        return Annotated[datetime, Meta(tz=True)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return struct_of(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(map(_type, get_args(annotation)))]  # noqa: UP007 - `|` takes no tuple
    return annotation


def _default(told: FieldInfo) -> tuple[Any, ...]:
    if told.is_required():
        return ()
    made: Any = told.default_factory
    return (told.default if made is None else field(default_factory=made),)
