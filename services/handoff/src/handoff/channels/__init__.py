"""The ways a notice can take. A channel is a function that sends one parcel and says what came of it."""

from collections.abc import Awaitable, Callable, Mapping

from handoff.channels import email, hubspot, slack, webhook
from handoff.channels.common import Parcel, Tools
from handoff.deliveries import Kind, Tried

__all__ = ["CHANNELS", "Parcel", "Tools"]

CHANNELS: Mapping[Kind, Callable[[Parcel, Tools], Awaitable[Tried]]] = {
    "webhook": webhook.send,
    "slack": slack.send,
    "email": email.send,
    "hubspot": hubspot.send,
}
