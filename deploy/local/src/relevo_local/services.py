"""The five services as processes of one machine: their ports, environment, tokens and sources."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import yaml

from relevo.scopes import Scope
from relevo.usual import PORTS
from relevo_local.home import Keys, write_private
from relevo_local.ports import LOOPBACK
from relevo_local.processes import Program

SCOPES = tuple(scope for scope in get_args(Scope) if scope != "act-for")  # what a person may do here

_SHUTDOWN = 15.0  # seconds; a person waits

# What of our own environment a service sees: where programs and libraries are, and settings of Relevo's own.
_PASSED_ON = ("HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Setting:
    """What the services of one system have in common."""

    folder: Path
    lasting: bool
    keys: Keys
    kafka: str
    databases: Mapping[str, str]  # service → DSN; ingest has none
    ports: Mapping[str, int]

    def url(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def go(self) -> Path:
        """Made when the servers are there: services that have been imported meanwhile go on."""
        return self.folder / "go"


def program(setting: Setting, name: str) -> Program:
    """How to run one service. Nobody waits for the graceful end of one whose data is thrown away."""
    return Program(
        name,
        [sys.executable, "-m", "relevo_local.serve", name, str(setting.go)],
        env=_environment(setting, name),
        cwd=setting.folder,
        stop=signal.SIGTERM if setting.lasting else signal.SIGKILL,
        patience=_SHUTDOWN + 15,  # by itself it ends in time; on a busy machine a little later
    )


def write_files(setting: Setting) -> None:
    """tokens.yaml and sources.yaml; what a person added to them stays."""
    keys = setting.keys
    setting.go.unlink(missing_ok=True)
    _put(
        setting.folder / "tokens.yaml",
        "tokens",
        [
            {"name": "local", "sha256": _hash(keys.api), "scopes": [*SCOPES], "role": "admin"},
            {"name": "console", "sha256": _hash(keys.act_for), "scopes": ["read", "act-for"]},
        ],
    )
    _put(
        setting.folder / "sources.yaml",
        "sources",
        [
            {"name": "local", "kind": "api", "access": "secret", "keys": _hashes(keys.source), "country": "ES"},
            {
                "name": "website",
                "kind": "form",
                "access": "public",
                "keys": _hashes(keys.page),
                "origins": ["*"],
                "country": "ES",
            },
        ],
    )
    if not setting.clock_file.exists():
        setting.clock_file.write_text("0")


def for_clients(setting: Setting, postgres: str) -> dict[str, str]:
    """The variables by which a command, a test or a shell finds the running system."""
    return {
        **{f"RELEVO_{name.upper()}_URL": setting.url(name) for name in PORTS},
        "RELEVO_KAFKA": setting.kafka,
        "RELEVO_POSTGRES": postgres,
        "RELEVO_SOURCES": str(setting.folder / "sources.yaml"),
        "RELEVO_SOURCE_KEY": setting.keys.source,
        "RELEVO_PAGE_KEY": setting.keys.page,
        "RELEVO_API_TOKEN": setting.keys.api,
        "RELEVO_CLOCK_FILE": str(setting.clock_file),
        "RELEVO_LOGS": str(setting.folder / "logs"),
    }


def _environment(setting: Setting, name: str) -> dict[str, str]:
    passed = {
        key: value for key, value in os.environ.items() if key in _PASSED_ON or key.startswith(("RELEVO_", "OTEL_"))
    }
    ours = {
        "RELEVO_KAFKA": setting.kafka,
        "RELEVO_HTTP_HOST": LOOPBACK,
        "RELEVO_HTTP_PORT": str(setting.ports[name]),
        "RELEVO_TOKENS": str(setting.folder / "tokens.yaml"),
        "RELEVO_TOPICS": "local",
        "RELEVO_LOCAL": "1",
        "RELEVO_TIME_TRAVEL": "1",
        "RELEVO_CLOCK_FILE": str(setting.clock_file),
        "RELEVO_SECRET": setting.keys.installation,
        "RELEVO_SHUTDOWN_SECONDS": str(_SHUTDOWN),
        "TYPER_STANDARD_TRACEBACK": "1",  # a log file is no place for boxes
    }
    if name in setting.databases:
        ours["RELEVO_DATABASE"] = setting.databases[name]
    if name == "ingest":
        ours["RELEVO_SOURCES"] = str(setting.folder / "sources.yaml")
        ours["RELEVO_SPOOL"] = str(setting.folder / "spool")
    if name == "console":
        ours["RELEVO_ACT_FOR_TOKEN"] = setting.keys.act_for
        ours.update({f"RELEVO_{other.upper()}_URL": setting.url(other) for other in PORTS if other != name})
    return {**passed, **ours}


def _put(file: Path, kind: str, entries: list[dict[str, Any]]) -> None:
    """Replace our entries of the file, by name."""
    known = (yaml.safe_load(file.read_text()) or {}).get(kind, []) if file.exists() else []
    ours = {entry["name"] for entry in entries}
    kept = [entry for entry in known if entry["name"] not in ours]
    write_private(file, yaml.safe_dump({kind: [*entries, *kept]}, sort_keys=False, allow_unicode=True))


def _hashes(key: str) -> list[dict[str, str]]:
    return [{"sha256": _hash(key)}]


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()
