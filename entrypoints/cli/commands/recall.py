"""``recall``: take the page of a sent article or video away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import Endpoint
from broadcast.rules.hand_calls import ByHand, HandCall, Recalled
from broadcast.rules.states import BatchState
from broadcast.views import content as contents
from broadcast.views.objects import members
from broadcast.views.words import Joined, Moment, Shortened, numbered
from broadcast.wechat.api.mass_control import MassDelete
from entrypoints.cli import which
from entrypoints.cli.commands.options import Why, Yes, counted, new_app
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.quotas import asked
from entrypoints.cli.run import Run, who
from entrypoints.cli.wechat_calls import Called, call, show_called, status_of
from models.ledger.rows import known_accounts
from models.ledger.rows.transaction import present
from models.ledger.steer import recorded_hand_calls
from models.ledger.views import at_wechat, broadcast_reports
from models.ledger.views.at_wechat import Page, Pages, SentBatch

app = new_app()

#: Not visible yet, or not ended: another send of the same page may be.
_NOT_YET: Final = frozenset({40059, 40065})
#: So many sends of one page are tried, each of which costs a call.
_MOST_TRIED: Final = 3


@frozen
class RecalledPage:
    """The result of the recall of one page; *called* None: it had been recalled before."""

    page: Page
    msg_id: int
    called: Called | None


@app.command(help="help.recall")
def recall(
    run: Run,
    *,
    broadcast_id: Annotated[
        str, typer.Argument(metavar="ID", help="help.recall.id", show_default=False)
    ] = which.OPEN,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="N", help="help.recall.batch")
    ] = None,
    article: Annotated[
        str | None, typer.Option("--article", metavar="N", help="help.recall.article")
    ] = None,
    yes: Yes = False,
    why: Why = None,
) -> int:
    """Recall the page of a broadcast from everybody who got it."""
    if broadcast_id == which.OPEN:
        # As a rule it has ended, and another one is open.
        raise which.unnamed(run, fits=at_wechat.has_page, ended=True)
    n, number = _number(batch, "error.recall.batch"), _number(article, "error.recall.article")
    broadcast_id = which.stored(run, broadcast_id)
    found = at_wechat.pages_of_broadcast(run.engine, broadcast_id, n=n)
    _refuse(broadcast_id, found, n=n)
    account = run.account(found.account)
    known_accounts.check_account(run.engine, account)
    run.terminal.say_each(shown(broadcast_id, found))
    # Where no call is made, nothing is asked.
    if any(not _before(run, account, page, article=number) for page in found.pages):
        _say_left(run, account)
        _check_agreed(run, broadcast_id, number, msgtype=found.msgtype, yes=yes)
    order = HandCall(
        kind=ByHand.RECALL,
        who=who(),
        why=why,
        broadcast_id=broadcast_id,
        article=number,
    )
    again = _command(broadcast_id, n, number)
    done = [_one(run, account, order, page=page, found=found, again=again) for page in found.pages]
    made = [one.called for one in done]
    show_called(run, as_object(order, account, found, done=done), made)
    return status_of(made)


def _number(text: str | None, message_id: str) -> int | None:
    """Read a number from 1 on. Raises InputError."""
    return None if text is None else counted(text, message_id, most=_LARGEST)


#: More batches, or articles, than there can be.
_LARGEST: Final = 1_000_000


def _refuse(broadcast_id: str, found: Pages, *, n: int | None) -> None:
    """Raise InputError for what WeChat cannot recall, and for what was never sent."""
    if found.msgtype not in at_wechat.WITH_PAGE:
        raise InputError(
            "error.recall.msgtype", id=broadcast_id, msgtype=contents.kind(found.msgtype)
        )
    if found.pages:
        return
    if found.unnamed:
        raise InputError("error.recall.unnamed", id=broadcast_id, numbers=Shortened(found.unnamed))
    if n is not None:
        raise InputError("error.recall.batch_not_sent", id=broadcast_id, n=n)
    raise InputError("error.recall.nothing", id=broadcast_id)


def shown(broadcast_id: str, found: Pages) -> Iterator[Message]:
    """Yield the pages that are taken away, from whom else, and what WeChat leaves where it is."""
    own = [batch for page in found.pages for batch in page.batches]
    yield numbered("recall.batches", [one.n for one in own], id=broadcast_id)
    if found.shared:
        yield Message("recall.shared", each=Joined(list(_each(found.shared)), "semicolon"))
    if found.unnamed:
        yield Message("recall.unnamed", numbers=Shortened(found.unnamed))
    if found.to_come:
        yield Message("recall.to_come", ids=list(found.to_come), id=found.to_come[0])
    yield Message("recall.means")


def _each(shared: Sequence[SentBatch]) -> Iterator[Message]:
    for broadcast_id in dict.fromkeys(one.broadcast_id for one in shared):
        numbers = [one.n for one in shared if one.broadcast_id == broadcast_id]
        yield numbered("recall.other", numbers, id=broadcast_id)


def _say_left(run: Run, account: Account) -> None:
    """Say how many deletes are left, where WeChat counts them. Raises WeChatAwayError and alike."""
    quota = asked(run, account, MassDelete.path)
    if quota is not None:
        run.say("recall.left", remain=quota.remain, limit=quota.daily_limit)


def _check_agreed(
    run: Run, broadcast_id: str, article: int | None, *, msgtype: str, yes: bool
) -> None:
    if yes or not is_terminal():
        return
    question = "recall.question_video" if msgtype == "mpvideo" else "recall.question"
    if article is not None:
        question = "recall.question_article"
    name = contents.name(broadcast_reports.report(run.engine, broadcast_id))
    run.confirm(question, "recall.declined", yes=yes, id=broadcast_id, n=article, name=name)


def _command(broadcast_id: str, n: int | None, article: int | None) -> str:
    """Return the command that recalls the same once more, and nothing beside it."""
    words = ["broadcast recall", broadcast_id]
    words += [] if n is None else [f"--batch {n}"]
    words += [] if article is None else [f"--article {article}"]
    return " ".join(words)


def _one(
    run: Run, account: Account, order: HandCall, *, page: Page, found: Pages, again: str
) -> RecalledPage:
    """Recall one page, with one call where the first send of it can be deleted; say so."""
    msg_ids = {batch.msg_id for batch in page.batches}
    if covering := _before(run, account, page, article=order.article):
        _say_before(run, covering[0])
        return RecalledPage(page=page, msg_id=min(msg_ids), called=None)
    for msg_id in _in_order(page):
        called = _call(run, account, order, page=page, msg_id=msg_id, found=found)
        if called.result.errcode not in _NOT_YET:
            break
    _say(run, order, called, again=again)
    return RecalledPage(page=page, msg_id=msg_id, called=called)


def _before(run: Run, account: Account, page: Page, *, article: int | None) -> list[Recalled]:
    """Return earlier recalls of the page or *article*."""
    made_before = recorded_hand_calls.recalls(
        run.engine,
        account.name,
        msg_ids={batch.msg_id for batch in page.batches},
        msg_data_id=page.msg_data_id,
    )
    return [one for one in made_before if one.article in {None, article}]


def _say_before(run: Run, one: Recalled) -> None:
    moment = present(run.engine)
    run.say("recall.before", at=Moment(one.at, moment), who=one.who)


def _in_order(page: Page) -> Sequence[int]:
    """Return the msg_ids that are tried: of jobs that ended first, and then by their age."""
    ended = sorted(page.batches, key=lambda one: one.state is not BatchState.FINISHED)
    return list(dict.fromkeys(one.msg_id for one in ended))[:_MOST_TRIED]


def _call(
    run: Run, account: Account, order: HandCall, *, page: Page, msg_id: int, found: Pages
) -> Called:
    hand_call = replace(order, msg_id=msg_id, msg_data_id=page.msg_data_id)
    number = recorded_hand_calls.begin(run.engine, account, hand_call)
    request = MassDelete(msg_id=msg_id, article_idx=order.article)
    called = call(run, account, request, at=Endpoint.DELETE)
    recorded_hand_calls.end_recall(
        run.engine, number, called.result, call=hand_call, broadcasts=_concerned(order, found)
    )
    return called


def _concerned(order: HandCall, found: Pages) -> Collection[str]:
    others = (batch.broadcast_id for batch in found.shared)
    return dict.fromkeys([str(order.broadcast_id), *others])


def _say(run: Run, order: HandCall, called: Called, *, again: str) -> None:
    end = called.end("done" if order.article is None else "done_article")
    run.say(
        Message(
            f"recall.{end}",
            n=order.article,
            id=order.broadcast_id,
            why=called.why(),
            command=again,
        )
    )


def as_object(
    order: HandCall, account: Account, found: Pages, *, done: Sequence[RecalledPage]
) -> dict[str, Any]:
    """Return the object of ``--json``, without an error."""
    return {
        "id": order.broadcast_id,
        "account": account.name,
        "article": order.article,
        "pages": [_page(one) for one in done],
        "shared": [{"id": one.broadcast_id, "batch": one.n} for one in found.shared],
        "without_msg_id": list(found.unnamed),
        "to_come": list(found.to_come),
    }


def _page(one: RecalledPage) -> dict[str, Any]:
    return {
        "msg_id": one.msg_id,
        "msg_data_id": one.page.msg_data_id,
        "batches": [batch.n for batch in one.page.batches],
        "result": one.called.word("recalled") if one.called else "recalled_before",
        **members(one.called and one.called.result, "errcode", "errmsg"),
    }
