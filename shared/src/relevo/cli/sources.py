"""`relevo sources …`: who may send touchpoints, in the file ingest reads while it runs. Keys are shown once."""

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from relevo.cli import entries
from relevo.cli.entries import AsJson, Entry, Named, refusal
from relevo.cli.sources_live import Unanswered, asked, judged
from relevo.kinds import (
    ALWAYS_SIGN,
    ASK_WITH_KEY,
    NEVER_SIGN,
    SEND_IDS,
    SIGN_BY_TOPIC,
    SIGN_THEIR_ADDRESS,
    WEBHOOKS,
    Kind,
)

sources = typer.Typer(help="Who may send touchpoints, and with which key.", no_args_is_help=True)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_OR_TOPIC = {"amazon_ses": " or its --topic"}
File = Annotated[Path, typer.Option("--file", envvar="RELEVO_SOURCES", help="The file ingest reads.")]
_DEFAULT = Path("sources.yaml")


@sources.command()
def add(
    name: Named,
    kind: Annotated[Kind, typer.Option(help="What sends.")] = "api",
    access: Annotated[Literal["public", "secret"], typer.Option(help="public: the key stands in a page.")] = "secret",
    origin: Annotated[list[str] | None, typer.Option(help="A page's origin that may send; again for more.")] = None,
    country: Annotated[str | None, typer.Option(help="Of phone numbers without a country code, as in ES.")] = None,
    secret_env: Annotated[
        list[str] | None, typer.Option(help="Of a webhook: the variable that holds what its tool signs with.")
    ] = None,
    secret_file: Annotated[list[str] | None, typer.Option(help="The same, in a file.")] = None,
    token_env: Annotated[
        str | None,
        typer.Option(help="Of a webhook that sends ids only: the variable that holds what leads are fetched with."),
    ] = None,
    token_file: Annotated[str | None, typer.Option(help="The same, in a file.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Of amazon_ses: the SNS topic that may send.")] = None,
    url: Annotated[str | None, typer.Option(help="Of a webhook: its address exactly as its tool has it.")] = None,
    file: File = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A new source and its key, which is shown now and never again. A webhook that its tool signs needs none."""
    if _NAME.fullmatch(name) is None:
        raise refusal("a name has lower-case letters, digits, - and _, 63 at most, and begins with a letter or digit")
    if origin and access == "secret":
        raise refusal("origins are for public sources: a secret key has no place in a page")
    known = entries.read(file, "sources")
    if any(entry.get("name") == name for entry in known):
        raise refusal(f"{name} is there already; `relevo sources rotate {name}` gives it a new key")
    signs = [{"env": each} for each in secret_env or ()] + [{"file": each} for each in secret_file or ()]
    token = {"env": token_env} if token_env else {"file": token_file} if token_file else None
    if kind not in WEBHOOKS and (signs or topic or url):
        raise refusal("secrets, topics and urls are for webhooks")
    if (token is None) == (kind in SEND_IDS):
        raise refusal(
            f"{kind} sends ids only: say where the token stands that leads are fetched with, with --token-env or "
            "--token-file"
            if kind in SEND_IDS
            else f"tokens are for {' and '.join(sorted(SEND_IDS))}"
        )
    if kind in ALWAYS_SIGN and not signs:
        raise refusal(f"{kind} signs every request: say where its secret stands, with --secret-env or --secret-file")
    if kind in NEVER_SIGN | SIGN_BY_TOPIC and signs:
        raise refusal(f"{kind} has no secret to sign with; it is known by its key" + _OR_TOPIC.get(kind, ""))
    key = None if (signs or topic) and kind not in ASK_WITH_KEY else secrets.token_urlsafe(24)
    entry: Entry = {"name": name, "kind": kind, "access": access}
    given = {"origins": origin, "country": country, "secrets": signs, "token": token, "topics": topic, "url": url}
    entry |= {field: told for field, told in given.items() if told}
    entry |= {"keys": [{"sha256": entries.hashed(key)}]} if key else {}
    entries.write(file, "sources", [*known, entry])
    place = f", to /v1/webhooks/{name}" if kind in WEBHOOKS else ""
    if kind in SIGN_THEIR_ADDRESS and not url:
        typer.echo(f"{kind} signs the address it calls: ingest needs RELEVO_PUBLIC_URL, or add --url", err=True)
    _tell(as_json, name, key, f"{name} stands in {file}, and may send once ingest has read it{place}")


@sources.command()
def rotate(
    name: Named,
    overlap: Annotated[str, typer.Option(help="How long the old key still works: 30m, 12h, 7d.")] = "7d",
    file: File = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A new key; the old one works on for a while, so that senders can change over."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + entries.span(overlap, "the overlap")
    key = secrets.token_urlsafe(24)

    def renewed(named: list[Entry]) -> list[Entry]:
        entry = named[0]
        if not entry.get("keys"):
            raise refusal(f"{name} has no key: what its tool signs with is rotated in the tool and where it stands")
        old = [known for known in entry.get("keys", []) if "until" not in known or known["until"] > now]
        return [
            entry | {"keys": [{"sha256": entries.hashed(key)}, *({"until": until} | known for known in old)]},
            *named[1:],
        ]

    entries.change(file, "sources", name, renewed)
    _tell(as_json, name, key, f"{name} has a new key; the old one works until {until:%F %H:%M} UTC")


@sources.command("list")
def list_(file: File = _DEFAULT, as_json: AsJson = False) -> None:
    """All sources, without their keys."""
    known = entries.read(file, "sources")
    if as_json:
        shown = [{**entry, **{k: len(entry.get(k, [])) for k in ("keys", "secrets")}} for entry in known]
        typer.echo(json.dumps({"sources": shown}, ensure_ascii=False, indent=2))
        return
    table = Table("name", "kind", "access", "keys", "secrets", "origins")
    for entry in known:
        counts = [len(entry.get(what, [])) for what in ("keys", "secrets")]
        row = (entry.get("name"), entry.get("kind"), entry.get("access", "secret"), *counts)
        table.add_row(*map(str, row), " ".join(entry.get("origins", [])))
    Console().print(table)


@sources.command()
def remove(name: Named, file: File = _DEFAULT) -> None:
    """The source may send no more, at once."""
    entries.change(file, "sources", name, lambda named: [])
    typer.echo(f"{name} may send no more")


@sources.command("test")
def try_(
    name: Named,
    key: Annotated[str | None, typer.Option(help="A key, to see whether it opens the source.")] = None,
    url: Annotated[str, typer.Option(envvar="RELEVO_INGEST_URL", help="Where ingest is.")] = "http://localhost:8001",
    token: Annotated[str, typer.Option(envvar="RELEVO_API_TOKEN", help="An API token of scope `read`.")] = "",
    file: File = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Whether the running ingest has the source in force, and a key opens it. Sends nothing. Exits with 1 where not."""
    if not token:
        raise refusal("set RELEVO_API_TOKEN to a token of scope `read` (of `relevo up`: set -a; . .relevo/env)")
    base = url.rstrip("/")
    try:
        told = asked(base, token)
    except Unanswered as why:
        raise refusal(str(why)) from None
    found = judged(told, name, key, any(entry.get("name") == name for entry in entries.read(file, "sources")), base)
    if as_json:
        typer.echo(json.dumps({"name": name, **found._asdict()}, ensure_ascii=False))
    else:
        typer.echo("\n".join([*(f"✓ {line}" for line in found.good), *(f"✗ {line}" for line in found.bad)]))
    raise typer.Exit(1 if found.bad else 0)


def _tell(as_json: bool, name: str, key: str | None, said: str) -> None:
    if as_json:
        typer.echo(json.dumps({"name": name, "key": key}))
    else:
        typer.echo(said + (f"\nits key, shown only this once: {key}" if key else ""))
