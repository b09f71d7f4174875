"""RudderStack's data plane: Segment's API, the visitor's id once more in a header, a beacon's key in its address. PURE.

https://www.rudderstack.com/docs/api/http-api/; the header and the beacons as its SDKs send them
(https://github.com/rudderlabs/rudder-sdk-js).
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime

from ingest.draft import Outcome, Request
from ingest.registry import Source
from ingest.sources import segment

BEACON = "/beacon/v1/batch"  # ?writeKey=KEY: what a page still sends while it closes
HEADER = b"anonymousid"

write_key = segment.write_key
verify = segment.verify


def normalise(request: Request, source: Source, now: datetime) -> Sequence[Outcome]:
    """As Segment's; an event that names no visitor is the header's."""
    visitor = _visitor(request)
    return segment.normalise(request, source, now, {"anonymousId": visitor} if visitor else {})


def _visitor(request: Request) -> str | None:
    """The id in the header, which SDKs pack in base64."""
    told = request.header(HEADER)
    if not told:
        return None
    try:
        return base64.b64decode(told, validate=True).decode()
    except (binascii.Error, ValueError):
        return told
