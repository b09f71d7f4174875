"""Shows that every kind of source reads or refuses whatever is sent to it, and that nothing of it is an accident."""

from contextlib import suppress
from itertools import product
from typing import Any, get_args

import pytest

from ingest import sdks
from ingest.draft import Unauthentic, Unusable, Wanted, usable
from ingest.normalise import described
from ingest.safe import touchpoint
from ingest.sources import KINDS
from relevo.kinds import ALWAYS_SIGN, SEND_IDS, WEBHOOKS, Kind, Sdk

from .tools import FORM, JSON, KEYED, NOW, request, source, takes

TOPIC = "arn:aws:sns:eu-west-1:111111111111:events"
BODIES = (
    b"", b"{", b"null", b"17", b'"x"', b"[]", b"[[]]", b"[null]", b"\xff", b"[" * 5000, b'{"a":"\\ud800"}',
    b'{"signature":[],"event-data":7}', b'{"Type":7,"Message":[]}', b'{"data":[],"msg":1,"properties":[]}',
    b'{"events":[7],"topic":1}', b'{"data":[[]],"auth":"x"}', b'{"events_by_user":[{"events":1}]}', b'{"msys":{"a":1}}',
    b'{"mautic.x":[1,{"contact":7}]}', b'{"auth":7,"event_name":"transactional_email_status","event_data":[]}',
    b'{"payload":{"data":{"a":[{}]}},"entry":[7,{"changes":[7,{}]}],"form_response":{"answers":[{},7]},"answers":[]}',
    b"mandrill_events=17", b"rawRequest=%7B%22q1_%22:1%7D", b"data.json=%5B%5D",
    b"mandrill_events=%FF", b"data%5Bmerges%5D=1", b"sender=a&body-plain=b&Date=c&References=%20", b'{"FromFull":7}',
    b'{"notificationType":"Received","mail":{"headers":[7,{"name":1}],"commonHeaders":{"from":7}},"receipt":[]}',
    b'{"batch":[{"type":[]},7,{"type":"track","event":{},"context":[],"traits":7}],"context":7,"timestamp":{}}',
    b'{"batch":[{"event":"$identify","properties":[]}],"api_key":7,"historical_migration":7}', b"data=%7B&_=1",
)  # fmt: skip


HEADERS = (JSON, FORM, {"content-type": "multipart/form-data"}, {})
# Where each kind is sent to: an SDK says by the address what it means.
ADDRESSES: dict[str, list[str]] = {kind: ["/v1/webhooks/it"] for kind in KINDS} | {
    kind: [path for path, sdk in sdks.ADDRESSES.items() if sdk.normalise is KINDS[kind].normalise]
    for kind in get_args(Sdk)
}
ADDRESSES["rudderstack"] += ADDRESSES["segment"]
ADDRESSES["customerio_track"] += [
    f"/api/v1/customers/a%2Fb{end}" for end in ("", "/events", "/suppress", "/unsuppress", "/devices", "/devices/d")
]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_comes_is_read_or_refused_never_an_accident(kind: Kind) -> None:
    needs: dict[str, Any] = {"url": "https://x.example"} if kind in WEBHOOKS else {}
    needs |= {"topics": [TOPIC]} if kind == "amazon_ses" else {"token": {"env": "t"}} if kind in SEND_IDS else {}
    of, tool = source(kind, *(["s"] if kind in ALWAYS_SIGN else []), **KEYED, **needs), KINDS[kind]
    assert ADDRESSES[kind]
    for body, headers, path in product(BODIES, HEADERS, ADDRESSES[kind]):
        sent = request(body, headers, "key=key")._replace(path=path)
        if kind in WEBHOOKS:
            takes(of, sent)
        else:
            with suppress(Unauthentic):
                tool.verify(sent, of, NOW)
        with suppress(Unusable, Wanted):
            for outcome in tool.normalise(sent, of, NOW):
                with suppress(Unusable):
                    touchpoint(described(usable(outcome), of, b"s", NOW), None)
