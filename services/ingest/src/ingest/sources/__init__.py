"""The ways touchpoints come in, one module each: `verify(request, source, now)` and `normalise(request, source, now)`.

Both are PURE. `verify` raises Unauthentic; `normalise` returns an outcome for each item, in order: a Draft, or a
Refused that says why. A new tool is a new module here and a line in KINDS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.draft import Outcome, Request
from ingest.registry import Kind, Source
from ingest.sources import api, form, segment


@dataclass(frozen=True)
class Tool:
    verify: Callable[[Request, Source, datetime], None]
    normalise: Callable[[Request, Source, datetime], Sequence[Outcome]]


KINDS: dict[Kind, Tool] = {
    "api": Tool(api.verify, api.normalise),
    "form": Tool(form.verify, form.normalise),
    "segment": Tool(segment.verify, segment.normalise),
}
