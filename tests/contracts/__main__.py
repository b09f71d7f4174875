"""`python -m tests.contracts --write | --check`: generate the contracts, or say where they and the code disagree."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.contracts.compatible import breaks
from tests.contracts.generate import everything

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    files = everything()
    if arguments.write:
        for path, content in files.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(content)
        return 0
    problems = [*stale(files), *against_base(files)]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def stale(files: dict[str, str]) -> list[str]:
    """Committed files that are not what the code generates."""
    found = []
    for path, content in files.items():
        here = ROOT / path
        if not here.exists() or here.read_text() != content:
            found.append(f"{path} is not what the code says: run `make contracts` and look at the difference")
    return found


def against_base(files: dict[str, str]) -> list[str]:
    """Breaking changes since the base (RELEVO_BASE, by default the commit before this one)."""
    base = os.environ.get("RELEVO_BASE", "HEAD^")
    if _git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        return []  # the first commit has nothing to break
    found = []
    for path in (_git("ls-tree", "-r", "--name-only", base, "contracts/events") or "").split():
        if path not in files:
            found.append(f"{path}: an event type is never removed; leave it until nobody reads its topic")
        elif path.endswith(".schema.json"):
            old = json.loads(_git("show", f"{base}:{path}") or "{}")
            found += [f"{path}: {reason}: make it a new type" for reason in breaks(old, json.loads(files[path]))]
    return found


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
