"""The commitments of both teams, reckoned again whenever something may have changed; each change is an event."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from relevo.events import SlaCommitment
from relevo.playbook import Commitment, Playbook
from relevo.service import Next, Service, again_and_again
from relevo.stream import Transaction
from sla_monitor import counting
from sla_monitor.commitments import Period, Reckoned, hours_of, period_of, progress, share_gone
from sla_monitor.counting import Said

EVERY = 30.0  # seconds: a pace line moves by itself
AT_LEAST = 2.0  # seconds between two reckonings, whatever is committed meanwhile
FIGURES = timedelta(minutes=5)  # a new state is said at once, a new figure in the same state no more often than this


async def keep_commitments(service: Service) -> None:
    """Loop of the worker."""

    async def work() -> Next:
        async with service.transaction() as tx:
            await say_changes(tx)
            return Next(None, tx.now)

    await again_and_again(service, work, at_most=EVERY, at_least=AT_LEAST)


async def say_changes(tx: Transaction) -> None:
    """Say what has changed, of the running periods and those before. One replica at a time; others leave it to it."""
    if not await counting.take_turn(tx):
        return
    said = await counting.said(tx)
    found = await reckon(tx, tx.playbook, _of_interest(tx.playbook, said, tx.now))
    news = [each for each in found if _is_news(each, said.get(_key(each)), tx.now)]
    await counting.save_said(tx, [_saying(each, said, tx.now) for each in news])
    tx.emit(*(_event(each, tx) for each in news))


async def reckon(tx: Transaction, book: Playbook, wanted: Sequence[tuple[Commitment, Period]]) -> list[Reckoned]:
    """Each commitment in its period, as it stands now; one statement for all."""
    counted = await counting.count(tx, wanted)
    reckoned = []
    for (commitment, period), figures in zip(wanted, counted, strict=True):
        gone = share_gone(hours_of(book, commitment), period, tx.now)
        now = progress(commitment, figures, gone, over=period.end <= tx.now)
        reckoned.append(Reckoned(commitment, period, gone, figures, now))
    return reckoned


def _of_interest(
    book: Playbook, said: Collection[tuple[str, datetime]], now: datetime
) -> list[tuple[Commitment, Period]]:
    """The running periods, and those that were spoken of: late knowledge may change one that is over."""
    wanted = []
    for commitment in book.sla.commitments:
        moments = [at for name, at in said if name == commitment.id]
        periods = {period_of(commitment.period, book.company.zone, at) for at in (*moments, now)}
        # A period of another length, agreed before, is closed by nobody: it was another commitment.
        known = {period for period in periods if period.start in moments or period.start <= now < period.end}
        wanted += [(commitment, period) for period in sorted(known)]
    return wanted


def _key(each: Reckoned) -> tuple[str, datetime]:
    return each.commitment.id, each.period.start


def since(each: Reckoned, said: Mapping[tuple[str, datetime], Said]) -> datetime | None:
    """Since when it was said to be in the state it is in; None: not said yet."""
    before = said.get(_key(each))
    return before.since if before is not None and before.state == each.progress.state else None


def _is_news(each: Reckoned, before: Said | None, now: datetime) -> bool:
    if before is None or before.state != each.progress.state:
        return True
    return before.actual != each.progress.actual and now - before.said_at >= FIGURES


def _saying(each: Reckoned, said: Mapping[tuple[str, datetime], Said], now: datetime) -> Said:
    name, start = _key(each)
    began = since(each, said) or now
    return Said(name, start, each.period.end, each.progress.state, each.progress.actual, began, now)


def _event(each: Reckoned, tx: Transaction) -> SlaCommitment:
    commitment, progress = each.commitment, each.progress
    return SlaCommitment(
        at=tx.now, by="system", commitment=commitment.id, side=commitment.side, team=commitment.team,
        measure=commitment.measure, period_from=each.period.start, period_to=each.period.end, target=commitment.target,
        actual=progress.actual, pace=progress.pace, projection=progress.projection, state=progress.state,
        playbook=tx.stamp,
    )  # fmt: skip
