"""The files of `contracts/` and `deploy/kafka/topics.yaml`, as the code says they are: path → text."""

import importlib
import json
from typing import Any

from pydantic.json_schema import models_json_schema

from relevo.events import EVENTS, TOPICS, Event
from relevo.events.cloudevents import encode
from relevo.service import Service
from relevo.testing.samples import sample

SERVICES = ("ingest", "scoring", "handoff", "sla_monitor", "console")


def services() -> list[Service]:
    """Every service, as its `main.py` wires it."""
    return [importlib.import_module(f"{name}.main").service for name in SERVICES]


def everything() -> dict[str, str]:
    """Every generated file, by its path from the repository's root."""
    files = {"deploy/kafka/topics.yaml": topics_yaml()}
    for event in EVENTS.values():
        files[f"contracts/events/{event.type}.schema.json"] = text(schema(event))
        files[f"contracts/events/{event.type}.sample.json"] = text(golden(event))
    for service in services():
        files[f"contracts/{service.name}.asyncapi.json"] = text(asyncapi(service))
        files[f"contracts/{service.name}.openapi.json"] = text(service.openapi())
    return files


def text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema (2020-12) of an event's JSON value; `id` and `trace` travel in headers and are not in it."""
    _, found = models_json_schema([(event, "validation")], by_alias=True, ref_template="#/$defs/{model}")
    definitions: dict[str, dict[str, Any]] = found["$defs"]
    whole = definitions.pop(event.__name__)
    for header in ("id", "trace"):
        whole["properties"].pop(header)
    whole |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": event.type}
    return whole | ({"$defs": definitions} if definitions else {})


def golden(event: type[Event]) -> dict[str, Any]:
    """One record with every field filled, as it stands on the wire."""
    key, headers, value = encode(sample(event), "sample")
    return {
        "topic": event.topic.name,
        "key": key,
        "headers": {name: content.decode() for name, content in headers},
        "value": json.loads(value),
    }


def asyncapi(service: Service) -> dict[str, Any]:
    """AsyncAPI 3.0: what the service sends and receives, on which topics, with its messages' schemas."""
    written = {topic.name for topic in service.writes}
    sends = [event for event in EVENTS.values() if event.topic.name in written]
    receives = [event for event, _ in service.handled.by_type.values()]
    spoken = {event.type: event for event in (*sends, *receives)}
    channels = {
        topic.name: {
            "address": topic.name,
            "messages": {
                event.type: {"$ref": f"#/components/messages/{event.type}"}
                for event in spoken.values()
                if event.topic.name == topic.name
            },
        }
        for topic in TOPICS
        if any(event.topic.name == topic.name for event in spoken.values())
    }
    operations = {}
    for action, events in (("send", sends), ("receive", receives)):
        for name in sorted({event.topic.name for event in events}):
            operations[f"{action}.{name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{event.type}"}
                    for event in sorted(events, key=lambda event: event.type)
                    if event.topic.name == name
                ],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Relevo {service.name}", "version": "1", "description": service.description},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                event.type: {
                    "name": event.type,
                    "summary": (event.__doc__ or "").strip().split("\n")[0],
                    "headers": {
                        "type": "object",
                        "required": ["ce_specversion", "ce_type", "ce_source", "ce_id"],
                        "properties": {
                            "ce_specversion": {"const": "1.0"},
                            "ce_type": {"const": event.type},
                            "ce_source": {"type": "string"},
                            "ce_id": {"type": "string", "format": "uuid"},
                            "ce_time": {"type": "string", "format": "date-time"},
                            "traceparent": {"type": "string"},
                        },
                    },
                    "payload": {"$ref": f"./events/{event.type}.schema.json"},
                }
                for event in spoken.values()
            }
        },
    }


def topics_yaml() -> str:
    """For whoever creates topics by hand or by a chart."""
    lines = [
        "# Generated from relevo.events.topics by `make contracts`; `python -m SERVICE migrate` creates them.",
        "topics:",
    ]
    for topic in TOPICS:
        lines += [f"  - name: {topic.name}", f"    partitions: {topic.partitions}"]
        if topic.compacted:
            lines += ["    config: {cleanup.policy: compact}"]
        else:
            milliseconds = int(topic.retention.total_seconds() * 1000)
            lines += [f'    config: {{cleanup.policy: delete, retention.ms: "{milliseconds}"}}']
    return "\n".join(lines) + "\n"
