"""The tasks: thin; each opens with the database, which says whether it may act.

They carry ids, and ``broadcast.enqueue`` what another program asks for. Beside ids some carry
*forward_count*: how often workers that lack the account passed them on.
None of them retries: rows and sweeps carry the work on. What a person must see is raised at the
end, when all is committed and the next wake is published (worker/person_needed.py).
Those that beat wakes send no events: monitors would list 53,000 idle ones a day. What they find is
done by others.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from broadcast import names
from broadcast.crashpoints import Point, failpoint
from broadcast.errors import OutOfReachError, RedisAwayError, SettingsError
from broadcast.logs import request_ids
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import NOT_WHITELISTED, Outcome
from models.ledger.boxes import dead_letters as boxes_dead_letters
from models.ledger.boxes import outbox, pushes, webhooks
from models.ledger.gates import drafts
from models.ledger.lane import obstacles
from models.ledger.lists import uploads
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import sweeps
from producer import pushes as producer_pushes
from worker import campaigns, celery_parts, enqueue, person_needed, planner
from worker import dead_letters as worker_dead_letters
from worker import outbox as worker_outbox
from worker.delivery import lane, polling, watches
from worker.delivery.lane import Slice
from worker.planner import alone
from worker.wake import forward, wake
from worker.wiring import WorkerParts, parts, stopping

log = logging.getLogger(__name__)

#: Accounts whose access_token is fetched side by side; each fetch may take 15 s.
REFRESHED_AT_ONCE = 8


@shared_task(name=names.ENQUEUE, bind=True)
def enqueue_(self: Task[Any, Any], /, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Submit another program's broadcast; return its id."""
    request = self.request
    message = enqueue.TaskMessage.from_arguments(
        args,
        kwargs,
        task_id=str(request.id),
        origin=request.origin,
        unanswered=bool(request.ignore_result),
        expires=celery_parts.moment_of(request.expires),
        sent_after=request.get("sent_after"),
    )
    here = parts()
    watch = person_needed.Watch(here)
    token = request_ids.current.set(request_ids.shown(message.task_id))
    try:
        answer = enqueue.submit_message(message)
    finally:
        request_ids.current.reset(token)
    if answer["dead_letter"]:
        person_needed.raise_of_letter(here, answer["dead_letter"])
    elif answer["created"]:
        watch.raise_if_held(answer["id"], planned=True)
    return answer


@shared_task(name=names.PLAN)
def plan(broadcast_id: str, *, forward_count: int = 0) -> dict[str, Any] | None:
    """Make the batches of a broadcast, prove the plan, wake for its lane.

    *forward_count*: through how many workers the message went that lack the account.
    """
    watch = person_needed.Watch(parts())
    planned = planner.plan(broadcast_id, forward_count=forward_count)
    _start_webhooks_here()
    watch.raise_if_held(broadcast_id, planned=planned is not None and not planned["waits"])
    return planned


def _start_webhooks_here() -> None:
    """Wake for webhooks that a task may have stored; else the sweep does it."""
    here = parts()
    with contextlib.suppress(OutOfReachError):
        if webhooks.any_due(here.engine):
            here.webhooks.start()


@shared_task(name=names.SEND_BATCH, bind=True)
def send_batch(
    self: Task[Any, Any], account: str, broadcast_id: str, *, forward_count: int = 0
) -> list[str]:
    """Drive one slice of an account's lane; *broadcast_id* only shows why it was woken.

    Returns a line a call, and raises where it met what needs a person.

    *forward_count*: through how many workers the message went that lack the account.
    """
    here = parts()
    watch = person_needed.Watch(here)
    try:
        context = here.context(account, forward_count=forward_count)
    except OutOfReachError as error:
        log.warning("account %s: the sweep wakes its lane later: %s", account, error)
        return []
    except SettingsError as error:
        # Nobody is to be woken for what stands; a sweep finds what goes on beside it.
        watch.raise_of_slice(account, broadcast_id)
        if not forward(names.SEND_BATCH, account, broadcast_id, forward_count=forward_count):
            log.warning("account %s: the sweep wakes its lane later: %s", account, error)
        return []
    calls: list[dict[str, Any]] = []
    doubted: list[str] = []
    while True:
        done = lane.drive(context)
        calls += done.lines
        doubted += done.doubted
        # The next slice is nobody's in particular.
        request_ids.woken_by.set(None)
        _tell(self, account, done)
        # With the broker away nobody could be woken for: the lane is driven on here instead.
        goes_on_elsewhere = not done.again or wake(names.SEND_BATCH, account, broadcast_id)
        _start_webhooks_here()
        if goes_on_elsewhere or stopping.is_set():
            break
    watch.raise_of_slice(account, broadcast_id, calls, doubted=doubted)
    return [person_needed.row_of("row.busy")] if done.busy else person_needed.result_of(calls)


def _tell(task: Task[Any, Any], account: str, done: Slice) -> None:
    """Send one event a call, all at the end of the slice: a lane pays no broker trip per batch."""
    try:
        for line in done.lines:
            # With retry=False the transport's own errors would come through, whatever they are.
            event = {name: fact for name, fact in line.items() if name != "of"}
            task.send_event(names.EVENT_BATCH, account=account, **event)
    except OperationalError as error:
        log.warning("account %s: events for monitors not sent: %s", account, error)


@shared_task(name=names.REPORT)
def report(kind: str, subject: str) -> None:
    """Raise what a task found of which no monitor hears; *kind*: of ``person_needed.OF``."""
    person_needed.OF[kind](parts(), subject)


@shared_task(name=names.POLL_ACCOUNT)
def poll_account(account: str, *, forward_count: int = 0) -> int:
    """Ask mass/get for the end of an account's accepted batches.

    *forward_count*: through how many workers the message went that lack the account.
    """
    try:
        with alone(names.POLL_ACCOUNT, account) as first:
            return _ask(account, forward_count=forward_count) if first else 0
    except OutOfReachError as error:
        log.warning("account %s: results are asked for later: %s", account, error)
    except SettingsError as error:
        # Woken for every half a minute, for as long as no worker has the account.
        if not forward(names.POLL_ACCOUNT, account, forward_count=forward_count):
            log.info("account %s: results are asked for later: %s", account, error)
    return 0


def _ask(account: str, *, forward_count: int) -> int:
    here = parts()
    watch = person_needed.Watch(here)
    stopped: list[str] = []
    answered = polling.ask(here.context(account, forward_count=forward_count), stopped.append)
    _start_webhooks_here()
    person_needed.raise_of_broadcasts(here, stopped)
    # Only the last of several workers stops it for its address.
    if forward_count and "" in watch.closed(account=account):
        person_needed.raise_of_account(here, account)
    return answered


@shared_task(name=names.HANDLE_PUSHES)
def handle_pushes() -> int:
    """Handle WeChat's pushes, of every account."""
    here = parts()
    stopped: list[str] = []
    with alone(names.HANDLE_PUSHES, "all") as first:
        if not first:
            return 0
        try:
            handled = producer_pushes.handle(
                here.engine,
                tuning=here.tuning,
                goes_on=lambda: not stopping.is_set(),
                tell=stopped.append,
            )
            _start_webhooks_here()
        except OutOfReachError as error:
            log.warning("pushes of WeChat are handled later: %s", error)
            return 0
    person_needed.raise_of_broadcasts(here, stopped)
    return handled


@shared_task(name=names.SUBMIT_OUTBOX)
def submit_outbox(*, forward_count: int = 0) -> int:
    """Start to submit the requests of the outbox; return how many threads do.

    *forward_count*: through how many workers the message went that lack an account.
    """
    here = parts()
    threads = here.requests.start()
    try:
        if worker_outbox.waits_elsewhere(here):
            forward(names.SUBMIT_OUTBOX, forward_count=forward_count)
    except OutOfReachError as error:
        log.warning("what waits in the outbox for others is forwarded later: %s", error)
    return threads


@shared_task(name=names.REFRESH_TOKEN, send_events=False)
def refresh_token(*, only_expiring: bool = False) -> dict[str, str]:
    """Refresh the access_token of every account, or only those in their last five minutes."""
    accounts = parts().accounts
    # A wake-up for all must not be lost because one for the expiring is under way.
    with alone(names.REFRESH_TOKEN, "expiring" if only_expiring else "all") as first:
        if not first or not accounts:
            return {}
        one = functools.partial(_refresh, only_expiring=only_expiring)
        # Side by side: an account that WeChat answers slowly would keep all others from theirs.
        with ThreadPoolExecutor(min(len(accounts), REFRESHED_AT_ONCE)) as threads:
            return dict(zip(accounts, threads.map(one, accounts.values()), strict=True))


def _refresh(account: Account, *, only_expiring: bool) -> str:
    here = parts()
    try:
        fact = here.gateway(account).refresh(only_expiring=only_expiring)
    except RedisAwayError as error:
        log.warning("account %s: access_token not refreshed: %s", account.name, error)
        return Outcome.WAIT.value
    if fact is None:
        return "ok"
    log.warning("account %s: access_token not refreshed: %s", account.name, fact.errmsg)
    if fact.outcome is Outcome.STOP_ACCOUNT and fact.errcode not in NOT_WHITELISTED:
        watch = person_needed.Watch(here)
        with contextlib.suppress(OutOfReachError):
            obstacles.apply_no_answer(here.engine, account, fact, waits=here.tuning.waits)
        if watch.closed(account=account.name):
            wake(names.REPORT, "account", account.name)
    return fact.outcome.value


@shared_task(name=names.SWEEP, send_events=False)
def sweep() -> dict[str, int]:
    """Wake for what was left behind, then move on what only time can settle."""
    here = parts()
    _housekeeping("mark", here.wechat.sweep_mark.note)
    # Before the wakes: a database that was copied is to wake nobody.
    _housekeeping("database", lambda: here.database_check.watch(here.accounts))
    with alone(names.SWEEP, "wake") as first:
        counts = _wake_again(here) if first else {"plans": 0, "lanes": 0}
    # After the wakes, and each apart: one that fails each time, or waits for a row, must not
    # keep the wakes from lanes that are marked as woken by then.
    tell = functools.partial(wake, names.REPORT, "broadcast")
    _housekeeping("hold", lambda: sweeps.doubt_expired(here.engine, tuning=here.tuning, tell=tell))
    _housekeeping("forget", lambda: sweeps.forget_uploads(here.engine))
    _housekeeping("drop files", lambda: uploads.drop_files_of_ended(here.engine))
    for task in _DUE:
        _housekeeping(task, functools.partial(_wake_if_due, here, task))
    _housekeeping("forget pushes", lambda: pushes.forget(here.engine))
    worker_dead_letters.store_soon()
    _housekeeping("forget dead letters", lambda: boxes_dead_letters.forget(here.engine))
    _housekeeping("notice", here.notices.report)
    _housekeeping("forget webhooks", lambda: webhooks.forget(here.engine))
    return counts


def _wake_again(here: WorkerParts) -> dict[str, int]:
    try:
        wakes = sweeps.due(here.engine, accounts=here.accounts)
    except OutOfReachError as error:
        log.warning("sweep: nothing woken, tried again with the next sweep: %s", error)
        return {"plans": 0, "lanes": 0}
    failpoint(Point.SWEEP_MARKED)
    for broadcast_id in wakes.plans:
        wake(names.PLAN, broadcast_id)
    for account, broadcast_id in wakes.lanes:
        wake(names.SEND_BATCH, account, broadcast_id)
    for account, broadcast_id in wakes.elsewhere:
        log.warning(
            "broadcast %s waits for a worker with account %s: it is not in this worker's settings",
            broadcast_id,
            account,
        )
    failpoint(Point.SWEEP_WOKEN)
    return {"plans": len(wakes.plans), "lanes": len(wakes.lanes)}


#: Tasks whose own wake may have been lost, or that are due again, by what says so.
_DUE: Final = {
    names.SUBMIT_OUTBOX: outbox.any_due,
    names.HANDLE_PUSHES: pushes.any_due,
    names.DELIVER_WEBHOOKS: webhooks.any_due,
}


def _wake_if_due(here: WorkerParts, task: str) -> int:
    return int(_DUE[task](here.engine) and wake(task))


@shared_task(name=names.DELIVER_WEBHOOKS)
def deliver_webhooks() -> int:
    """Start the delivery of due webhooks beside the tasks; return how many threads deliver."""
    return parts().webhooks.start()


def _housekeeping(what: str, work: Callable[[], object]) -> None:
    try:
        with alone(names.SWEEP, what) as first:
            if first:
                work()
    except OutOfReachError as error:
        log.warning("sweep: step %s waits for the next sweep: %s", what, error)
    except Exception as error:  # noqa: BLE001 - a bug in one is no reason to leave out the other
        words = str(error).partition("\n")[0]
        kind = type(error).__name__
        log.error("sweep: step %s failed: %s: %s", what, kind, words)  # noqa: TRY400 - each 3 s


@shared_task(name=names.POLL_RESULTS, send_events=False)
def poll_results() -> int:
    """Wake for the accounts whose accepted batches are due to be asked about.

    Also for those that this worker lacks: a message that no other has ends after a few workers.
    """
    try:
        accounts = recorded_ends.due_accounts(parts().engine)
    except OutOfReachError as error:
        log.warning("results of all accounts are asked for later: %s", error)
        return 0
    return sum(wake(names.POLL_ACCOUNT, account) for account in accounts)


@shared_task(name=names.LAUNCH_DUE, send_events=False)
def launch_due() -> int:
    """Send the broadcasts whose time has come on to planning, and start to launch campaigns."""
    here = parts()
    try:
        due = sweeps.launch_due(here.engine)
        launched = sum(wake(names.PLAN, broadcast_id) for broadcast_id in due)
        with alone(names.LAUNCH_DUE, "campaigns") as first:
            if first:
                launched += campaigns.launch(here)
    except OutOfReachError as error:
        log.warning("what is due is launched later: %s", error)
        return 0
    return launched


@shared_task(name=names.READ_DRAFTS, send_events=False)
def read_drafts() -> int:
    """Read the drafts that nobody could read at their submit; return how many were tried."""
    here = parts()
    with alone(names.READ_DRAFTS, "all") as first:
        if not first:
            return 0
        try:
            waiting = drafts.unread_accounts(here.engine, waits=here.tuning.waits)
        except OutOfReachError as error:
            log.warning("drafts that nobody has read yet are read later: %s", error)
            return 0
        return sum(_read_drafts(account) for account in waiting if account in here.accounts)


def _read_drafts(account: str) -> int:
    try:
        return watches.read_first(parts().context(account))
    except (OutOfReachError, SettingsError) as error:
        log.warning("account %s: its drafts are read later: %s", account, error)
        return 0
