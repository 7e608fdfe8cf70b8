"""``preview``: the content to a few people, before it goes to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.hand_calls import ByHand, each_once, is_receiver
from broadcast.views.objects import members
from broadcast.views.words import Moment
from broadcast.wechat.api.mass import MassPreview, of_preview
from entrypoints.cli import confirmation, draft_looks, ledger_facts
from entrypoints.cli.commands.options import AccountName, Yes, new_app
from entrypoints.cli.content_options import ContentOptions
from entrypoints.cli.group import grouped
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.previewing import PreviewResult, calls_of, sent
from entrypoints.cli.quotas import CallsLeft, left_of
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import short
from entrypoints.cli.wechat_calls import show_called, status_of
from models.ledger.rows.transaction import present
from models.ledger.steer import recorded_hand_calls
from producer.media.upload import refuse_unusable

app = new_app()

#: Calls of a day where WeChat does not say (WeChat page "message/mass/preview").
MOST_A_DAY: Final = 100


@app.command(help="help.preview")
@grouped
def preview(
    run: Run,
    *,
    content: ContentOptions,
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="RECEIVER", help="help.preview.to")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="help.preview.group")
    ] = None,
    account: AccountName = None,
    yes: Yes = False,
) -> int:
    """Send a content to named people."""
    content.check()
    chosen = run.account(account)
    receivers = receivers_of(chosen, to or [], group)
    read_content = content.read(
        limit=run.settings.text_limit,
        draft=lambda title: draft_looks.media_id_of(run, chosen, title, key=None),
    )
    refuse_unusable(run.engine, chosen, read_content, now=present(run.engine))
    calls = len(of_preview(read_content.value))
    left = left_of(
        run,
        chosen,
        MassPreview.path,
        most=MOST_A_DAY,
        made=recorded_hand_calls.today(run.engine, chosen.name, ByHand.PREVIEW),
    )
    _say_unanswered(run, chosen, receivers)
    needed = len(receivers) * calls
    if needed > left.remain:
        raise InputError(
            "error.preview.too_many",
            needed=needed,
            left=left.remain,
            limit=left.limit,
            account=chosen.name,
        )
    _check_agreed(run, chosen, read_content, receivers=receivers, left=left, yes=yes)
    each = calls_of(run, chosen, read_content)
    shown = list(sent(run, chosen, each, receivers=receivers))
    made = [one.called for one in shown]
    show_called(run, as_object(chosen, shown, left=left), made)
    return status_of(made)


def _say_unanswered(run: Run, account: Account, receivers: Sequence[str]) -> None:
    """Name who of them may have got one today of which nothing is known, and might get two."""
    moment = present(run.engine)
    calls = recorded_hand_calls.unanswered(run.engine, account.name, ByHand.PREVIEW)
    for one in {one.target: one for one in calls if one.target in receivers}.values():
        run.warn("preview.unanswered", receiver=one.target, at=Moment(one.at, moment), who=one.who)


def receivers_of(account: Account, to: Sequence[str], group: str | None) -> list[str]:
    """Return the receivers, each once. Raises InputError for nobody, and for no receiver."""
    if group is not None and group not in account.preview_groups:
        facts = {"group": short(group), "account": account.name}
        if not account.preview_groups:
            raise InputError("error.preview.no_groups", **facts)
        names = ", ".join(sorted(account.preview_groups))
        raise InputError("error.preview.group", **facts, names=names)
    found = each_once([*to, *(account.preview_groups[group] if group is not None else ())])
    if not found:
        raise InputError("error.preview.nobody")
    for receiver in found:
        if not receiver.strip():
            raise InputError("error.preview.no_receiver")
        if not is_receiver(receiver):
            raise InputError("error.preview.receiver", text=short(receiver))
    return found


def _check_agreed(
    run: Run,
    account: Account,
    content: Content,
    *,
    receivers: Sequence[str],
    left: CallsLeft,
    yes: bool,
) -> None:
    """Show on a terminal what goes to whom, and ask unless ``--yes`` was said."""
    if not is_terminal():
        return
    terminal = run.terminal
    terminal.note_each(confirmation.account_lines(account))
    # A halt is about sends to followers; who is named here was named by a person.
    terminal.note_each(ledger_facts.lanes(run.engine).stops(account.name))
    terminal.note_each(confirmation.content_lines(run.engine, content))
    draft = draft_looks.read_at_submit(run, account, content)
    terminal.note_each(confirmation.articles(draft.draft))
    terminal.warn_each(draft.content.notices)
    terminal.note(left.line())
    n = len(receivers)
    question = Message("preview.question", n=n, receivers=receivers, account=account.name)
    terminal.confirm(question, "preview.declined", yes=yes)


def as_object(
    account: Account, shown: Sequence[PreviewResult], *, left: CallsLeft
) -> dict[str, Any]:
    """Return the object of ``--json``, without an error."""
    return {
        "account": account.name,
        "previews": [_one(one) for one in shown],
        "calls_left_before": left.remain,
    }


def _one(one: PreviewResult) -> dict[str, Any]:
    return {
        "receiver": one.receiver,
        "result": one.called.word("sent"),
        "sent": one.sent,
        **members(one.called.result, "errcode", "errmsg"),
    }
