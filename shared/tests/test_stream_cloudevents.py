"""Our records are CloudEvents 1.0 in Kafka's binary mode: the standard's SDK reads them, and we read its records."""

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat

from relevo.events import EVENTS, Event, LeadErased
from relevo.events.cloudevents import decode, encode
from relevo.stream.apply import read
from relevo.stream.handlers import index, on
from relevo.stream.kafka import Record
from relevo.testing.samples import sample

MATERIAL = Path(os.environ.get("RELEVO_MATERIAL") or Path(__file__).parents[3] / "shared" / "material") / "cloudevents"
every_event = pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))


def material(name: str) -> Any:
    path = MATERIAL / name
    if not path.exists():
        pytest.skip(f"no {path}: set RELEVO_MATERIAL to the folder of outside material")
    return json.loads(path.read_text())


def message(event: Event) -> KafkaMessage:
    key, headers, value = encode(event, "scoring")
    return KafkaMessage(dict(headers), key, value)


@every_event
def test_the_sdk_reads_what_we_write(event: type[Event]) -> None:
    ours = sample(event)
    seen = from_binary_event(message(ours), JSONFormat())
    assert (seen.get_id(), seen.get_type(), seen.get_source()) == (str(ours.id), event.type, "/relevo/scoring")
    assert (seen.get_specversion(), seen.get_datacontenttype(), seen.get_time()) == ("1.0", "application/json", ours.at)
    assert seen.get_extension("partitionkey") == ours.key()
    assert seen.get_data() == json.loads(message(ours).value)


@every_event
def test_we_read_what_the_sdk_writes(event: type[Event]) -> None:
    ours = sample(event)
    theirs = to_binary_event(from_binary_event(message(ours), JSONFormat()))
    back = decode(event, list(theirs.headers.items()), theirs.value)
    assert back == ours.model_copy(update={"trace": None})  # `traceparent` is Kafka's header, no attribute of the event


@every_event
def test_as_a_structured_event_it_fits_the_official_schema(event: type[Event]) -> None:
    schema = material("cloudevents.json")
    structured = json.loads(to_structured_event(from_binary_event(message(sample(event)), JSONFormat())).value)
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(structured)


def test_headers_are_named_and_written_as_in_the_sdk_s_own_record() -> None:
    theirs = material("sdk_kafka.json")["binary"]["headers"]
    ours = {name: value.decode() for name, value in message(sample(LeadErased)).headers.items()}
    assert set(theirs) - {"ce_partitionkey"} == set(ours) - {"traceparent"}  # the key is the record's
    for name in ("ce_specversion", "content-type"):
        assert ours[name] == theirs[name]
    for headers in (ours, theirs):
        assert datetime.fromisoformat(headers["ce_time"]).tzinfo is not None
        assert re.fullmatch(r"/[a-z/-]+", headers["ce_source"])
    binding = (MATERIAL / "kafka-protocol-binding.md").read_text()
    assert "prefixed with `ce_`" in binding
    assert "`content-type` property MUST be mapped" in " ".join(binding.split())


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_somebody_else_s_events_are_skipped(mode: str) -> None:
    theirs = material("sdk_kafka.json")[mode]

    @on(LeadErased)
    async def never(tx: Any, events: Any) -> None: ...

    headers = tuple((name, value.encode()) for name, value in theirs["headers"].items())
    record = Record("privacy", 0, 0, theirs["key"].encode(), headers, theirs["value"].encode())
    assert read([record], index([never])) == []
