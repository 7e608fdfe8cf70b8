"""Handling what WeChat pushed: by its kind, what followers did for many of them at once.

A push asks nothing of WeChat and needs no account of the settings, so any worker does it. It is
noted as handled after its work was committed; whoever dies between the two leaves it to be done
again, which changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError
from broadcast.frozen import frozen
from broadcast.rules import finish_events
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.finish_events import JobEnd, UnreadableFinishError
from broadcast.rules.pushes import SUBSCRIBE, UNSUBSCRIBE
from broadcast.wechat.callback import RefusedError
from broadcast.wechat.callback.push_body import read
from models.ledger.boxes import opt_out_pushes, pushes
from models.ledger.boxes.pushes import Due
from models.ledger.followers import follower_changes
from models.ledger.followers.follower_changes import Move
from models.ledger.outcomes import recorded_ends
from models.ledger.rows import transaction

log = logging.getLogger(__name__)

#: Pushes of one round.
MOST: Final = 100
#: Tries of a push that cannot be read, over ten minutes or so: a worker of another release may be
#: able to. A bug is tried again for ever, since it may be an opt-out.
MOST_TRIES: Final = 8


@frozen
class _Means:
    """What works need; *tell* is called with the broadcast of a job that WeChat stopped."""

    tuning: Tuning
    tell: Callable[[str], object]


def handle(
    engine: Engine,
    *,
    tuning: Tuning,
    goes_on: Callable[[], bool],
    tell: Callable[[str], object] = lambda _: None,
) -> int:
    """Handle due pushes, round by round while *goes_on*; return how many were handled.

    *tell* is called with the broadcast of each job that WeChat stopped, at the first push of it.
    Raises DatabaseAwayError; what was taken is due again after a minute.
    """
    handled, means = 0, _Means(tuning=tuning, tell=tell)
    while goes_on() and (taken := pushes.reserve_due(engine, most=MOST)):
        handled += _handle(engine, taken, means)
    return handled


def apply_pending_follower_events(engine: Engine, account: str, *, tuning: Tuning) -> bool:
    """Apply the pending opt-outs and follower changes of an account, with other workers or not.

    Return whether all are applied: not those that were tried in vain, which others try again. The
    answer to an opt-out said at once that nothing more comes. Raises DatabaseAwayError.
    """
    # A follower stops no job.
    last, means, is_whole = 0, _Means(tuning=tuning, tell=lambda _: None), True
    while some := pushes.of_followers(engine, account, after=last, most=MOST):
        fresh = [push for push in some if not push.tries]
        is_whole &= _handle(engine, fresh, means) == len(some)
        last = some[-1].id
    return is_whole


def _handle(engine: Engine, some: Sequence[Due], means: _Means) -> int:
    """Handle some pushes; return how many were. What one work does for many it does at once."""
    groups: dict[tuple[str, _Work, int | None], list[Due]] = {}
    unread = _of_erased(engine, some)
    if unread:
        pushes.mark_unread(engine, sorted(unread))
    for push in some:
        if push.id in unread:
            continue
        work = _work_of(push)
        alone = None if work in _FOR_MANY else push.id
        groups.setdefault((push.account, work, alone), []).append(push)
    return sum(
        _handled(engine, several, partial(work, engine, means))
        for (_, work, _), several in groups.items()
    )


def _of_erased(engine: Engine, some: Sequence[Due]) -> Collection[int]:
    """Return the pushes of people who were erased: nothing of them is stored."""
    people = [push for push in some if _work_of(push) in {_apply_opt_outs, _move}]
    if not people:
        return ()
    with transaction.read(engine) as connection:
        return opt_out_pushes.erased_in(connection, people)


def _handled(engine: Engine, some: Sequence[Due], work: Callable[[Sequence[Due]], None]) -> int:
    try:
        work(some)
    except OutOfReachError:
        raise
    except (RefusedError, UnreadableFinishError) as error:
        return _unread(engine, some, error)
    except Exception as error:
        if len(some) > 1:
            # One of them must not keep the others from their turn.
            return sum(_handled(engine, [push], work) for push in some)
        # A bug in one kind must keep neither the others from their turn nor this one for ever.
        log.exception("push %d of account %s: not handled", some[0].id, some[0].account)
        return _failed(engine, some, error)
    pushes.mark_handled(engine, [push.id for push in some])
    return len(some)


def _failed(engine: Engine, some: Sequence[Due], error: Exception) -> int:
    problem = f"{type(error).__name__}: {error}"
    for push in some:
        log.warning("push %d of account %s: tried again later: %s", push.id, push.account, problem)
        pushes.mark_failed(engine, push, problem)
    return 0


def _unread(engine: Engine, some: Sequence[Due], error: Exception) -> int:
    problem = f"{type(error).__name__}: {error}"
    for push in some:
        if push.tries + 1 < MOST_TRIES:
            _failed(engine, [push], error)
            continue
        log.warning("push %d of account %s: set aside: %s", push.id, push.account, problem)
        pushes.set_aside(engine, push, problem)
    return 0


def _work_of(push: Due) -> _Work:
    if push.kind == finish_events.EVENT:
        return _record_finish
    if push.openid is None:
        return _ignore
    if opt_out_pushes.is_opt_out(push):
        return _apply_opt_outs
    return _move if push.kind in {SUBSCRIBE, UNSUBSCRIBE} else _ignore


def _record_finish(engine: Engine, means: _Means, some: Sequence[Due]) -> None:
    for push in some:
        event = finish_events.read_finish(read(push.body.encode()).fields)
        if event.created_at and opt_out_pushes.is_ahead(event.created_at, push):
            event = replace(event, created_at=None)
        recorded = recorded_ends.record_finish_event(
            engine, push.account, event, tuning=means.tuning
        )
        end = finish_events.job_end_of(event.status, event.counts)
        if recorded.new and recorded.broadcast_id and end is JobEnd.REFUSED:
            means.tell(recorded.broadcast_id)


def _ignore(_engine: Engine, _means: _Means, some: Sequence[Due]) -> None:
    # No follower of ours: WeChat's OpenIDs have 28 characters.
    for push in some:
        log.info("push %d of account %s names no follower: ignored", push.id, push.account)


def _apply_opt_outs(engine: Engine, _means: _Means, some: Sequence[Due]) -> None:
    opt_out_pushes.apply(engine, some[0].account, some)


def _move(engine: Engine, _means: _Means, some: Sequence[Due]) -> None:
    moves = [
        Move(openid=push.openid, at=opt_out_pushes.moment_of(push), left=push.kind == UNSUBSCRIBE)
        for push in some
        if push.openid is not None
    ]
    follower_changes.moved(engine, some[0].account, moves)


_Work: TypeAlias = Callable[[Engine, _Means, Sequence[Due]], None]
#: What is done for the pushes of an account together; order is nothing to these.
_FOR_MANY: Final[frozenset[_Work]] = frozenset({_ignore, _apply_opt_outs, _move})
