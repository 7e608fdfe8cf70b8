"""A look at a draft for a command, and the question before a resume sends what was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from broadcast.accounts import Account
from broadcast.drafts.mark import Marks
from broadcast.drafts.watch import TAKEN, Gone, Known, judge
from broadcast.errors import BroadcastError, InputError
from broadcast.gates.gate import Gate
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.reasons import Reason
from broadcast.reports import DraftView, Report
from cli import exits
from cli.terminal import is_terminal
from models.ledger import drafts
from models.ledger.reading import reports
from presentation.drafts import changed, edits
from presentation.words import Moment, rest_of

if TYPE_CHECKING:
    from cli.wiring.run import Run
    from cli.wiring.wechat import WeChat


def look(wechat: WeChat, account: Account, media_id: str) -> Marks | None:
    """Return what a draft says; None: WeChat has no draft of this id.

    Raises WeChatAwayError, WeChatRefusedError, RedisAwayError and alike.
    """
    from wechat.api.draft import NO_SUCH_DRAFT, DraftGet  # noqa: PLC0415 - the client costs 0.1 s
    from worker.translate import marks  # noqa: PLC0415 - as above

    articles = wechat.ask_for(account, DraftGet(media_id=media_id), absent=NO_SUCH_DRAFT)
    return None if articles is None else marks(articles)


def ask(run: Run, report: Report, *, yes: bool) -> Marks | None:
    """Show what became of a draft before a resume sends it, and ask on a terminal.

    Return what it says, as it was shown; None where it is gone, was never read or is not held.

    Looks at the draft once more, so that what is shown is what is approved; where WeChat does not
    say, what was seen last. Raises typer.Exit for a no, and InputError where the draft is gone and
    no terminal can be asked.
    """
    gate = report.gate(GateKind.DRAFT)
    if report.draft is None or gate is None:
        return None
    gone = _look_again(run, report, report.draft, gate=gate)
    if gone is not None:
        _ask_of_gone(run, report, gone)
        return None
    draft, terminal = reports.report(run.engine, report.id).draft, run.terminal
    if draft is None or (draft.seen is not None and not edits(draft)):
        return None if draft is None else draft.seen
    terminal.note(
        "resume.draft_changed" if draft.seen else "resume.draft_unseen", changes=changed(draft)
    )
    if not yes and is_terminal():
        _agree(run, report, "resume.question_draft")
    return draft.seen


def _look_again(run: Run, report: Report, draft: DraftView, *, gate: Gate) -> Message | None:
    """Store what the draft says now; return how it is known that it is gone, None: it is not."""
    try:
        account = run.settings.account(report.account)
        seen = look(run.wechat, account, draft.media_id)
    except BroadcastError as error:
        if gate.reason is Reason.DRAFT_GONE:
            at = Moment(gate.closed_at, report.now)
            return Message("resume.draft_was_gone", problem=error, at=at)
        run.terminal.warn("resume.draft_unread", problem=error)
        return None
    if seen is not None:
        drafts.seen_by_person(run.engine, report.id, seen)
        return None
    # It may have left the draft box by being sent: then what was seen last stays.
    taken = any(line.state in TAKEN for line in report.batch_list)
    known = Known(approved=draft.approved, seen=draft.seen, tries=0, accepted=taken)
    return Message("resume.draft_gone") if judge(known, Gone()).reason else None


def _ask_of_gone(run: Run, report: Report, gone: Message) -> None:
    """Ask whether the media_id goes out although its draft is gone: no --yes was meant for that."""
    if not is_terminal():
        raise InputError("error.resume.draft_gone", id=report.id, gone=gone)
    _agree(run, report, "resume.question_draft_gone", gone=gone)
    drafts.seen_by_person(run.engine, report.id, None)


def _agree(run: Run, report: Report, question: str, **facts: Message) -> None:
    waiting, terminal = rest_of(report.recipients["waiting"]), run.terminal
    if not terminal.agrees(terminal.ask(question, followers=waiting, **facts)):
        terminal.note("resume.declined_draft", id=report.id)
        raise typer.Exit(exits.FAILED)
