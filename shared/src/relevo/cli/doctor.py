"""`relevo doctor`: asks every service how it is, and says of each ailment what to do."""

import asyncio
import json
from collections import defaultdict
from contextlib import aclosing
from typing import Annotated, NamedTuple

import typer
from prometheus_client.parser import text_string_to_metric_families

from relevo.cli.calling import address
from relevo.outbound import NoAnswer, own
from relevo.usual import PORTS

_TO_SEND_SECONDS = 10  # an event that waits longer for Kafka is worth a word


class Health(NamedTuple):
    """Of one service: why it cannot do its job, and what else somebody should look at; both empty where all is well."""

    name: str
    url: str
    ills: list[str]
    worries: list[str]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Ask every service whether it can do its job, and what waits for a person. Exits with 1 where one cannot.

    RELEVO_INGEST_URL, RELEVO_SCORING_URL, … say where they are; without them, on this machine's usual ports.
    """
    found = asyncio.run(_ask_all())
    if as_json:
        typer.echo(json.dumps({health.name: health._asdict() for health in found}, ensure_ascii=False, indent=2))
    else:
        for health in found:
            typer.echo(f"{'✗' if health.ills else '✓'} {health.name} at {health.url}{'' if health.ills else ': ready'}")
            for line in (*health.ills, *health.worries):
                typer.echo(f"    {line}")
    raise typer.Exit(1 if any(health.ills for health in found) else 0)


async def _ask_all() -> list[Health]:
    return await asyncio.gather(*map(_ask, PORTS))


async def _ask(name: str) -> Health:
    health = Health(name, address(name), [], [])
    try:
        async with aclosing(own(health.url)) as client:
            ready = await client.send("GET", f"{health.url}/readyz")
            health.ills.extend(f"waits for {one}" for one in json.loads(ready.body)["waiting_for"])
            metrics = await client.send("GET", f"{health.url}/metrics")
            health.worries.extend(_worries(name, metrics.body.decode()))
    except NoAnswer as why:
        health.ills.append(f"does not answer ({why}): start it, or say where it is with RELEVO_{name.upper()}_URL")
    except (ValueError, LookupError, TypeError):
        health.ills.append(f"is no service of Relevo: say where it is with RELEVO_{name.upper()}_URL")
    return health


def _worries(name: str, metrics: str) -> list[str]:
    sums: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            sums[sample.name] += sample.value
    worries = []
    if dead := int(sums["relevo_dead_letter_rows"]):
        worries.append(f"dead letters that wait for a person: {dead}; `python -m {name} dead list`")
    if lag := int(sums["relevo_stream_lag_records"]):
        worries.append(f"records not applied yet: {lag}")
    if (oldest := sums["relevo_outbox_oldest_seconds"]) > _TO_SEND_SECONDS:
        worries.append(f"events that wait for Kafka: {sums['relevo_outbox_rows']:.0f}, the oldest for {oldest:.0f} s")
    if spooled := int(sums["relevo_ingest_spool_bytes"]):
        worries.append(f"bytes of touchpoints that wait in the spool for Kafka: {spooled}")
    return worries
