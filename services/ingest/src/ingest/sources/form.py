"""Any HTML form (`POST /v1/forms/{source}`), or JSON of the same fields. PURE."""

from collections.abc import Sequence
from datetime import datetime

from ingest import keys
from ingest.draft import Outcome, Request
from ingest.registry import Source
from ingest.sources.form_body import fields
from ingest.sources.submission import Answer, Facts, submitted

verify = keys.verify


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """The form's one touchpoint. Raises Unusable: a person sees it, and can mend it."""
    answers = [Answer(name, value) for name, value in fields(request).items()]
    draft = submitted(answers, Facts(agent=request.header(b"user-agent")), request.body, source, now)
    page = request.header(b"referer")
    return [draft if page is None or "url" in draft.what else draft._replace(what={**draft.what, "url": page})]
