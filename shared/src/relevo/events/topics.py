"""The topics, declared beside their events; `deploy/kafka/topics.yaml` is generated from here."""

from datetime import timedelta

from relevo.events.base import Topic

TOUCHPOINTS = Topic("touchpoints")
TOUCHPOINTS_FAILED = Topic("touchpoints.failed", retention=timedelta(days=30))
LEADS = Topic("leads")
ASSIGNMENTS = Topic("assignments")
SLAS = Topic("slas")
PLAYBOOKS = Topic("playbooks", partitions=1, partitions_local=1, compacted=True)
PRIVACY = Topic("privacy")

TOPICS = (TOUCHPOINTS, TOUCHPOINTS_FAILED, LEADS, ASSIGNMENTS, SLAS, PLAYBOOKS, PRIVACY)
