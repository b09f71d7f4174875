"""Values of any JSON shape as the flat text fields of a touchpoint. PURE."""

from collections.abc import Mapping
from typing import Any

from ingest.draft import Unusable
from ingest.json_body import MOST_DEPTH
from ingest.normalise import MOST_FIELDS


def text(value: Any) -> str | None:
    """A scalar as people write it: `true`, `329`, `14.99`; None for null, empty text and what is no scalar."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return None


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """`{"address": {"city": "Madrid"}, "tags": ["a", "b"]}` → `{"address.city": "Madrid", "tags": "a, b"}`.

    Raises Unusable beyond the number of fields a touchpoint has, before it has built them.
    """
    found: dict[str, str] = {}
    _into(found, "", values, MOST_DEPTH)
    return found


def _into(found: dict[str, str], prefix: str, values: Mapping[str, Any], levels: int) -> None:
    if levels == 0:
        raise Unusable(f"Nest at most {MOST_DEPTH} levels.", status=400, title="JSON too deep")
    for name, value in values.items():
        if isinstance(value, Mapping):
            _into(found, f"{prefix}{name}.", value, levels - 1)
        elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            _into(found, f"{prefix}{name}.", {str(n): item for n, item in enumerate(value)}, levels - 1)
        else:
            plain = ", ".join(filter(None, map(text, value))) if isinstance(value, list) else text(value)
            if plain:
                found[f"{prefix}{name}"] = plain
        if len(found) > MOST_FIELDS:
            raise Unusable(f"More than {MOST_FIELDS} fields.", "fields")
