"""The compatibility gate refuses what breaks a reader or a writer, and lets additions pass."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from tests.contracts.__main__ import ROOT
from tests.contracts.compatible import breaks
from tests.contracts.generate import schema

from relevo.events import EVENTS, Event, LeadAssigned
from relevo.events.cloudevents import decode

Schema = dict[str, Any]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.type)
def test_golden_samples_are_read_by_this_code_and_fit_their_schema(event: type[Event]) -> None:
    sample = json.loads((ROOT / f"contracts/events/{event.type}.sample.json").read_text())
    jsonschema.Draft202012Validator(schema(event)).validate(sample["value"])
    headers = [(name, value.encode()) for name, value in sample["headers"].items()]
    read = decode(event, headers, json.dumps(sample["value"]).encode())
    assert read.key() == sample["key"]
    assert set(sample["value"]) == set(schema(event)["properties"]), "a golden sample has every field filled"


def test_the_same_schema_breaks_nothing() -> None:
    for event in EVENTS.values():
        assert breaks(schema(event), schema(event)) == []


def _without(found: Schema) -> None:
    del found["properties"]["team"]


def _required(found: Schema) -> None:
    found["required"].append("previous_rep")


def _optional(found: Schema) -> None:
    found["required"].remove("rule")


def _type(found: Schema) -> None:
    found["properties"]["priority"] = {"type": "string"}


def _deep(found: Schema) -> None:
    del found["$defs"]["Contact"]["properties"]["email"]


def _enum(found: Schema) -> None:
    found["properties"]["because"]["enum"].remove("fallback")


def _never_null(found: Schema) -> None:
    found["properties"]["previous_rep"] = {"type": "string"}


@pytest.mark.parametrize("change", [_without, _required, _optional, _type, _deep, _enum, _never_null])
def test_breaking_changes_are_named(change: Any) -> None:
    new = copy.deepcopy(schema(LeadAssigned))
    change(new)
    assert breaks(schema(LeadAssigned), new)


def test_an_optional_addition_breaks_nothing() -> None:
    new = copy.deepcopy(schema(LeadAssigned))
    new["properties"]["colour"] = {"type": "string", "default": ""}
    new["properties"]["because"]["enum"].append("lottery")
    assert breaks(schema(LeadAssigned), new) == []
