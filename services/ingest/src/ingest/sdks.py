"""Which SDK speaks at which address, where its key stands, and the answer it takes for success. PURE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ingest.draft import Request
from ingest.sources import Tool, customerio_track, jitsu, posthog, rudderstack, segment

Methods = Callable[[str], tuple[str, ...]]
"""Which ones an address takes."""


def post(path: str) -> tuple[str, ...]:
    return ("POST",)


@dataclass(frozen=True, kw_only=True)
class Sdk(Tool):
    """A tool that says by its key which source it is: no name stands in its address."""

    write_key: Callable[[Request], str | None]
    success: bytes = b'{"success":true}'
    methods: Methods = post


SEGMENT = Sdk(segment.verify, segment.normalise, write_key=segment.write_key)
RUDDERSTACK = Sdk(rudderstack.verify, rudderstack.normalise, write_key=rudderstack.write_key)
JITSU = Sdk(jitsu.verify, jitsu.normalise, write_key=jitsu.write_key, success=b'{"ok":true}')
POSTHOG = Sdk(posthog.verify, posthog.normalise, write_key=posthog.write_key, success=b'{"status":"Ok"}')
CUSTOMERIO = Sdk(
    customerio_track.verify,
    customerio_track.normalise,
    write_key=customerio_track.write_key,
    success=b"{}",
    methods=customerio_track.methods,
)

ADDRESSES: Mapping[str, Sdk] = {
    **{f"/v1/{call}": SEGMENT for call in segment.ADDRESSES},
    rudderstack.BEACON: RUDDERSTACK,
    **dict.fromkeys(jitsu.ADDRESSES, JITSU),
    **dict.fromkeys(posthog.ADDRESSES, POSTHOG),
    **dict.fromkeys(customerio_track.ADDRESSES, CUSTOMERIO),
}


def sdk_of(path: str, headers: Mapping[bytes, bytes]) -> Sdk | None:
    """Whose call this is, if it is one."""
    found = ADDRESSES.get(path)
    if found is SEGMENT and rudderstack.HEADER in headers:
        return RUDDERSTACK
    return CUSTOMERIO if found is None and path.startswith(customerio_track.CUSTOMERS) else found
