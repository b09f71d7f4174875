"""The files of the repository that a local system is made of: this package is run from a checkout."""

from pathlib import Path

from relevo_local.trouble import Trouble

_DEPLOY = Path(__file__).resolve().parents[3]


def deploy(name: str) -> Path:
    """`deploy/NAME`: the example playbook, or Apache Kafka's pom.xml."""
    place = _DEPLOY / name
    if not place.exists():
        raise Trouble(f"deploy/{name} is not beside relevo_local: run it from a checkout of Relevo")
    return place
