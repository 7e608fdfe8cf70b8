"""What a task met that a person must see, in one line, with the command that goes on.

Who watches tasks sees them as failed ones. Nothing is done by that: all was committed before, and
the next wake is published.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Final, TypeAlias

from broadcast.errors import OutOfReachError, UnknownIdError
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.redaction import redact
from broadcast.rules.calls.decide import Verdict
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.dead_letters import stays_wrong
from broadcast.rules.gates import blockers
from broadcast.rules.states import BatchState, Reason
from broadcast.settings import environment
from broadcast.views import blocker_lines, next_steps, program_words
from broadcast.views.texts import Texts, choose_language
from broadcast.views.words import Meaning, fact_words
from models.ledger.boxes import dead_letters
from models.ledger.lane import obstacles
from models.ledger.views import beside_reports, broadcast_reports
from worker.messages import PersonNeeded, without_openids
from worker.wiring import WorkerParts

log = logging.getLogger(__name__)

#: Celery cuts a result that is longer for its events, and ours is followed by a bracket.
MOST: Final = 1000
#: Commands of what goes on automatically.
_WAITS: Final = frozenset({"watch", "pause", "up"})
_MET: Final = frozenset({Verdict.REFUSE, Verdict.DOUBT})
#: Commands of which one is given in place of the other.
_EITHER: Final = (frozenset({"resolve"}), frozenset({"cancel", "pause", "resume"}))


def result_of(calls: Iterable[Mapping[str, Any]], texts: Texts | None = None) -> list[str]:
    """Return a line a call; of more than fit uncut, neighbours that ended alike share one."""
    calls, say = list(calls), texts or _texts()
    lines = [_line([call], say) for call in calls]
    if len(repr(lines)) > MOST:
        lines = [_line(list(alike), say) for _, alike in groupby(calls, key=_alike)]
    while len(repr(lines)) > MOST:
        lines = ["…", *lines[2:]]
    return lines


def row_of(text: str) -> str:
    """Return a text in the language of people."""
    return _texts()(text)


def _alike(call: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(call[name] for name in ("broadcast", "then", "outcome", "errcode"))


def _line(alike: Sequence[Mapping[str, Any]], texts: Texts) -> str:
    first, last = alike[0], alike[-1]
    span = str(first["batch"]) if first is last else f"{first['batch']}-{last['batch']}"
    total = max(last["of"] or 0, last["batch"])
    return f"{_short(first['broadcast'])} {span}/{total} {_word(first, texts)}"


def _word(call: Mapping[str, Any], texts: Texts) -> str:
    """Return how a call ended, with WeChat's errcode: what its batch is by now, else the reply."""
    then, code = call["then"], call["errcode"]
    name = call["outcome"] if then == Verdict.REPEAT else then
    word = texts(f"row.{name}" if texts.has(f"row.{name}") else f"outcome.{name}")
    return f"{word} {code}" if code and then != Verdict.ACCEPT else word


def _short(broadcast_id: str) -> str:
    return broadcast_id.rpartition("-")[2]


class Watch:
    """Looks for what a task meets, from now on."""

    def __init__(self, here: WorkerParts) -> None:
        """*here*: this process's parts."""
        self._here = here
        self._begun = time.monotonic()

    def raise_of_slice(
        self,
        account: str,
        broadcast_id: str,
        calls: Sequence[Mapping[str, Any]] = (),
        *,
        doubted: Sequence[str] = (),
    ) -> None:
        """Raise what a slice met; *broadcast_id*: of its task; *doubted*: without a call."""
        named = calls[-1]["broadcast"] if calls else broadcast_id
        closed = [one or named for one in self.closed(account=account)]
        met = [call["broadcast"] for call in calls if _is_met(call)]
        raise_of_broadcasts(self._here, [*met, *doubted, *closed], calls)

    def raise_if_held(self, broadcast_id: str, *, planned: bool) -> None:
        """Raise where the broadcast stands, as ``has_held`` says."""
        if self.has_held(broadcast_id, planned=planned):
            raise_of_broadcasts(self._here, [broadcast_id])

    def has_held(self, broadcast_id: str, *, planned: bool) -> bool:
        """Return whether the broadcast, or its account, was held since.

        *planned*: by the task itself. So one of an account that was off before is shown once.
        """
        closed = self.closed(broadcast_id=broadcast_id, planned=planned)
        return not {"", broadcast_id}.isdisjoint(closed)

    def closed(self, **whose: Any) -> Sequence[str]:
        """Return of whom gates closed since; nothing where the database is away."""
        # SQLite's clock has milliseconds.
        span = timedelta(seconds=time.monotonic() - self._begun + 0.01)
        try:
            return obstacles.closed_within(self._here.engine, span, **whose)
        except OutOfReachError as error:
            log.warning("not looked for what was held: %s", error)
            return ()


def _is_met(call: Mapping[str, Any]) -> bool:
    """Return whether a call ended as a person must see: its batch, or the rest of the day."""
    return call["then"] in _MET or call["outcome"] == Outcome.QUOTA_TODAY


def raise_of_broadcasts(
    here: WorkerParts, ids: Sequence[str], calls: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Raise where broadcasts stand, if there are some; *calls*: of a slice."""
    found: list[tuple[Callable[[Texts], str], list[_Said]]] = []
    for one in dict.fromkeys(ids):
        met = [c for c in calls if c["broadcast"] == one and c["then"] != Verdict.ACCEPT]
        codes = dict.fromkeys(call["errcode"] for call in met if call["then"] in _REFUSED)
        found.append((partial(_head, one, met), [*map(Meaning, codes), *_lines(here, one)]))
    if found:
        raise_in_words(lambda texts: "\n".join(_up_to_command(texts, *each) for each in found))


def _head(broadcast_id: str, met: Sequence[Mapping[str, Any]], texts: Texts) -> str:
    return ", ".join(result_of(met, texts)) or _short(broadcast_id)


#: What the errcode of the call explains.
_REFUSED: Final = frozenset({Verdict.REFUSE, Verdict.SPLIT})
_Said: TypeAlias = Message | Meaning | Reason


def _lines(here: WorkerParts, broadcast_id: str) -> Sequence[_Said]:
    """Return why a broadcast stands, and the commands that go on."""
    look = Message("notice.look", id=broadcast_id)
    try:
        report = broadcast_reports.report(here.engine, broadcast_id)
        beside = beside_reports.circumstances(here.engine, report, waits=here.tuning.waits)
    except (OutOfReachError, UnknownIdError) as error:
        log.warning("broadcast %s: not asked where it stands: %s", broadcast_id, error)
        return [look]
    stands = [
        one
        for one in blockers.in_force(report)
        # Until tomorrow is long: a person may have WeChat give more calls.
        if one.reason is Reason.QUOTA_TODAY or one.command.split()[1] not in _WAITS
    ]
    lines = [blocker_lines.line(one, report) for one in stands]
    doubts = [one.reason for one in report.batch_list if one.state is BatchState.IN_DOUBT]
    why = dict.fromkeys(filter(None, doubts))
    return [*why, *lines, *next_steps.lines(report, beside), look]


def _up_to_command(texts: Texts, head: Callable[[Texts], str], lines: Iterable[_Said]) -> str:
    """Return how calls ended, the meaning of codes, and the lines up to the first command."""
    said = [head(texts)]
    for one in lines:
        line = str(fact_words(one, texts))
        said += ["·", line]
        if "\n    broadcast " in line:
            break
    return " ".join(said)


def raise_of_account(here: WorkerParts, account: str) -> None:
    """Raise why an account is stopped, unless it is not any more."""
    lanes, now = broadcast_reports.lanes(here.engine)
    if account in lanes:
        lines = [*blocker_lines.of_account(account, lanes[account], now)]
        if lines:
            raise_in_words(lambda texts: f"{account} · " + "\n".join(map(texts, lines)))


def raise_of_letter(here: WorkerParts, letter_id: str) -> None:
    """Raise why a request became a dead letter."""
    # Whoever stored it has logged it.
    texts = _texts()
    raise PersonNeeded(_one_line(f"{letter_id} · {_of_letter(here, letter_id, texts)}", texts))


def _of_letter(here: WorkerParts, letter_id: str, texts: Texts) -> str:
    try:
        letter, _ = dead_letters.letter_named(here.engine, letter_id)
    except (OutOfReachError, UnknownIdError):
        return f"broadcast dead show {letter_id}"
    lost = letter.is_cut or stays_wrong(letter.reason)
    step = texts("dead.wrong" if lost else "dead.next", id=letter_id)
    return f"{program_words.refusal(letter.reason, texts)} {step}"


#: By what a task for it says that it is about.
OF: Final[Mapping[str, Callable[[WorkerParts, str], None]]] = {
    "account": raise_of_account,
    "letter": raise_of_letter,
    "broadcast": lambda here, broadcast_id: raise_of_broadcasts(here, [broadcast_id]),
}


def raise_in_words(say: Callable[[Texts], str]) -> None:
    """Raise the words in the language of people, and log it in English."""
    log.warning("a person is asked for: %s", _one_line(say(ENGLISH), ENGLISH))
    texts = _texts()
    raise PersonNeeded(_one_line(say(texts), texts))


def _texts() -> Texts:
    return Texts(choose_language(environment.read()), distances=False)


def _one_line(text: str, texts: Texts) -> str:
    """Return *text* in one line, without a secret and an OpenID; commands begin with an arrow."""
    said, *commands = text.split("\n    ")
    for before, command in pairwise((said, *commands)):
        arrow = f" {texts('row.or')} → " if _are_either(before, command) else " → "
        # What is said after a command is no part of it.
        said += arrow + command.replace("\n", " · ")
    return without_openids(redact(_COLON.sub("", " ".join(said.split()))))


#: An arrow, or the sign between two sentences, stands for it.
_COLON: Final = re.compile(r"[:\uff1a](?= [·→])")


def _are_either(before: str, command: str) -> bool:
    """Return whether two commands, with no word between them, are one in place of the other."""
    verbs = {line.split()[1] for line in (before, command) if line.startswith("broadcast ")}
    return (
        "\n" not in before and before.startswith("broadcast ") and any(map(verbs.__le__, _EITHER))
    )
