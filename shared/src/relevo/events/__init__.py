"""The language the services speak: every event, one class each, and the identity of who and what they speak of.

PURE: standard library, pydantic, orjson and idna only; no clock, no I/O, no settings.
"""

from relevo.events.assignments import (
    DeliveryFailed,
    DeliveryMade,
    LeadAccepted,
    LeadAssigned,
    LeadContacted,
    LeadDisqualified,
    LeadPaused,
    LeadRecycled,
    LeadRejected,
    LeadResumed,
    LeadWaiting,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    RepAvailability,
)
from relevo.events.base import Event, PlaybookStamp, Topic, uuid7
from relevo.events.console import LeadErased, PlaybookPublished
from relevo.events.leads import (
    LeadIdentified,
    LeadMerged,
    LeadQualified,
    LeadScored,
    LeadUnmerged,
)
from relevo.events.slas import SlaBreached, SlaCommitment, SlaCorrected, SlaMet, SlaStarted, SlaWarned
from relevo.events.topics import TOPICS
from relevo.events.touchpoints import TouchpointFailed, TouchpointRecorded

EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in (
        TouchpointRecorded, TouchpointFailed,
        LeadIdentified, LeadScored, LeadQualified, LeadMerged, LeadUnmerged,
        LeadWaiting, LeadAssigned, LeadAccepted, LeadRejected, LeadContacted, LeadPaused, LeadResumed,
        LeadRecycled, LeadDisqualified, OpportunityOpened, OpportunityWon, OpportunityLost,
        DeliveryMade, DeliveryFailed, RepAvailability,
        SlaStarted, SlaWarned, SlaBreached, SlaMet, SlaCorrected, SlaCommitment,
        PlaybookPublished, LeadErased,
    )
}  # fmt: skip

__all__ = [
    "EVENTS", "TOPICS",
    "DeliveryFailed", "DeliveryMade", "Event", "LeadAccepted", "LeadAssigned", "LeadContacted", "LeadDisqualified",
    "LeadErased", "LeadIdentified", "LeadMerged", "LeadPaused", "LeadQualified", "LeadRecycled", "LeadRejected",
    "LeadResumed", "LeadScored", "LeadUnmerged", "LeadWaiting", "OpportunityLost", "OpportunityOpened",
    "OpportunityWon", "PlaybookPublished", "PlaybookStamp", "RepAvailability", "SlaBreached", "SlaCommitment",
    "SlaCorrected", "SlaMet", "SlaStarted", "SlaWarned", "Topic", "TouchpointFailed", "TouchpointRecorded",
    "uuid7",
]  # fmt: skip
