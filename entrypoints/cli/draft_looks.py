"""A look at a draft for a command, and the question before a resume sends what was edited."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.drafts import TAKEN, Gone, Marks, StoredDraft, ruling_of
from broadcast.rules.gates.gate import Gate, GateKind
from broadcast.rules.reports import DraftView, Report
from broadcast.rules.states import Reason
from broadcast.views.content import changed, edits
from broadcast.views.words import Moment, Shortened, rest_of
from broadcast.wechat.api.drafts import Draft
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.shell_quoting import command_line
from models.ledger.gates import drafts
from models.ledger.views import broadcast_reports
from producer import draft_box
from producer.submit import checks
from producer.submit.checks import Read

if TYPE_CHECKING:
    from entrypoints.cli.run import Run
    from producer.wiring.wechat import WeChat


def ask_of_edits(run: Run, report: Report, *, yes: bool) -> Marks | None:
    """Show a draft's changes before a resume sends it, and ask on a terminal.

    Return what it says, as it was shown; None where it is gone, was never read or is not held.

    Looks at the draft once more, so that what is shown is what is approved; where WeChat does not
    say, what was seen last. Raises typer.Exit for a no, and InputError where the draft is gone and
    no terminal can be asked.
    """
    gate = report.gate(GateKind.DRAFT)
    if report.draft is None or gate is None:
        return None
    gone = _refresh_draft(run, report, report.draft, gate=gate)
    if gone is not None:
        _ask_of_gone(run, report, gone)
        return None
    draft, terminal = broadcast_reports.report(run.engine, report.id).draft, run.terminal
    if draft is None or (draft.seen is not None and not edits(draft)):
        return None if draft is None else draft.seen
    terminal.note(
        "resume.draft_changed" if draft.seen else "resume.draft_unseen", changes=changed(draft)
    )
    _agree(run, report, "resume.question_draft", yes=yes)
    return draft.seen


def _refresh_draft(run: Run, report: Report, draft: DraftView, *, gate: Gate) -> Message | None:
    """Store the draft of now; return how it is known that it is gone, None: it is not."""
    try:
        account = run.account(report.account)
        seen = run.wechat.draft(account, draft.media_id)
    except BroadcastError as error:
        if gate.reason is Reason.DRAFT_GONE:
            at = Moment(gate.closed_at, report.now)
            return Message("resume.draft_was_gone", problem=error, at=at)
        run.warn("resume.draft_unread", problem=error)
        return None
    if seen is not None:
        drafts.seen_by_person(run.engine, report.id, seen)
        return None
    # It may have left the draft box by being sent: then what was seen last stays.
    taken = any(line.state in TAKEN for line in report.batch_list)
    known = StoredDraft(approved=draft.approved, seen=draft.seen, tries=0, accepted=taken)
    return Message("resume.draft_gone") if ruling_of(known, Gone()).reason else None


def _ask_of_gone(run: Run, report: Report, gone: Message) -> None:
    """Ask whether the media_id goes out although its draft is gone: no --yes was meant for that."""
    if not is_terminal():
        raise InputError("error.resume.draft_gone", id=report.id, gone=gone)
    _agree(run, report, "resume.question_draft_gone", yes=False, gone=gone)
    drafts.seen_by_person(run.engine, report.id, None)


def _agree(run: Run, report: Report, question: str, *, yes: bool, **facts: Message) -> None:
    waiting = rest_of(report.recipients["waiting"])
    run.confirm(
        question, "resume.declined_draft", yes=yes, id=report.id, followers=waiting, **facts
    )


#: Titles that an error names where none is the one that was asked for.
MOST_NAMED: Final = 5


def find_draft(wechat: WeChat, account: Account, title: str) -> Draft:
    """Return the only draft that has an article of this title.

    Raises InputError, which lists what there is, where none or several have it.
    """
    wanted = title.strip()
    box, found = draft_box.titled(wechat, account, wanted)
    shown = one_line(wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            "error.draft.several", title=shown, n=len(found), each=Shortened(list(_named(found)))
        )
    if not box:
        raise InputError("error.draft.empty_box", title=shown, account=account.name)
    raise InputError("error.draft.none", title=shown, titles=_nearest(wanted, box))


def name_of(draft: Draft) -> str:
    """Return the name of a draft: the title of its first article."""
    return one_line(draft.articles[0].title) if draft.articles else ""


def edited(draft: Draft, now: datetime) -> Message | Moment:
    """Return when a draft was edited last."""
    if draft.updated_at is None:
        return Message("draft.at_unknown")
    return Moment(draft.updated_at, now)


def _named(found: Sequence[Draft]) -> Iterator[Message]:
    now = datetime.now(UTC)
    for draft in found:
        yield Message("draft.named", media_id=draft.media_id, at=edited(draft, now))


def _nearest(wanted: str, box: Sequence[Draft]) -> list[str]:
    """Return the titles that are nearest, or else the newest."""
    titles = [one_line(one.title) for draft in box for one in draft.articles]
    near = difflib.get_close_matches(wanted, titles, n=MOST_NAMED, cutoff=0.5)
    return list(dict.fromkeys([*near, *titles]))[:MOST_NAMED]


def media_id_of(run: Run, account: Account, title: str, *, key: str | None) -> str:
    """Return the media_id of the draft of this title.

    *key*: under which it may be submitted already; sending a draft takes it out of the draft box,
    and a repeated command must find what it stored. Raises InputError, WeChatAwayError and alike.
    """
    stored = None if key is None else _stored(run, account, title, key=key)
    if stored is not None:
        return stored
    try:
        return find_draft(run.wechat, account, title).media_id
    except OutOfReachError as error:
        raise OutOfReachError("error.draft.not_found_out", title=title, problem=error) from None


def _stored(run: Run, account: Account, title: str, *, key: str) -> str | None:
    from models.ledger.gates import drafts

    known = drafts.under_key(run.engine, account.name, key)
    if known is None or not known.approved:
        return None
    named = any(one.title == title.strip() for one in known.approved)
    return known.media_id if named else None


def read_at_submit(run: Run, account: Account, content: Content) -> Read:
    """Return *content* with its draft of now; of other contents nothing is asked."""
    return checks.read_draft(content, lambda media_id: run.wechat.draft(account, media_id))


def send_line(account: Account, media_id: str) -> str:
    """Return the command that sends a draft."""
    words = ["broadcast", "send", "--openids", "FILE", "--mpnews", media_id]
    return command_line([*words, "--account", account.name])
