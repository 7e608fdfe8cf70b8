"""Posting notices to people's chats, in threads beside those of the tasks."""

from __future__ import annotations

import logging
import shlex
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError, UnknownIdError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.outbound import bots
from broadcast.outbound.posting import Poster
from broadcast.redaction import redact
from broadcast.rules import notices as rules_notices
from broadcast.rules.calls.waits import Waits
from broadcast.rules.notices import Notice, Receiver
from broadcast.rules.states import NoticeState
from broadcast.settings import environment
from broadcast.views import notices as views_notices
from broadcast.views.texts import Texts, choose_language
from broadcast.views.words import MOST_NAMED
from models.ledger.boxes import notices as boxes_notices
from models.ledger.boxes import unreported
from models.ledger.campaigns import launch_rows, rehearsal_rows
from models.ledger.views import beside_reports, broadcast_reports, in_flight
from worker.delivery.crew import Crew, put_off

log = logging.getLogger(__name__)

#: How a command stands in a text.
_COMMAND: Final = "\n    broadcast "
#: Kinds whose subject is a broadcast's id.
_OF_BROADCAST: Final = frozenset({rules_notices.WAITS, rules_notices.ENDED})

#: By what their kinds begin with: whether a notice's key still says what is so.
_STILL_SO: Final[Mapping[str, Callable[[Engine, str], bool]]] = {
    "launch": launch_rows.is_still_so,
    "rehearsal": rehearsal_rows.is_still_so,
}


@frozen
class Due:
    """What is due to one receiver."""

    origin: str
    notices: Sequence[Notice]


class NoticeDeliverer(Crew[Due]):
    """Posts notices until none is due."""

    what = "notices are posted"

    def __init__(
        self,
        engine: Engine,
        poster: Poster,
        receivers: Mapping[str, Receiver],
        *,
        waits: Waits,
        longest_s: float,
        again: timedelta,
        stopping: threading.Event,
    ) -> None:
        """*receivers* by name; *longest_s*: the most that a try may last.

        *again*: how long after its post one that asks for a person is posted again; 0: never.
        """
        super().__init__(stopping=stopping)
        self._put_off, self._again = put_off(longest_s), again
        self._engine = engine
        self._poster = poster
        self._receivers = receivers
        self._waits = waits

    def register(self, *, alone: bool = False) -> None:
        """Have the receivers hear from now on; *alone*: and no others."""
        # Where there are none, nothing is written: a worker starts on a file that is read-only.
        if self._receivers or boxes_notices.registered(self._engine):
            unreported.register(self._engine, [*self._receivers], alone=alone)

    def report(self) -> int:
        """Add the notices that are missing, and start to post what is due; return the threads."""
        if not self._receivers:
            return 0
        # No lock for writing in each sweep.
        if {*self._receivers}.difference(boxes_notices.registered(self._engine)):
            self.register()
        unreported.report(self._engine)
        return self.start()

    def _reserve(self, busy: Collection[str]) -> Due | None:
        names = [name for name in self._receivers if name not in busy]
        found = boxes_notices.reserve(self._engine, names, put_off=self._put_off)
        return Due(origin=found[0].receiver, notices=found) if found else None

    def _do(self, taken: Due) -> None:
        receiver = self._receivers[taken.origin]
        # Several doubts of one broadcast make one text.
        said: dict[str, list[Notice]] = {}
        for one in taken.notices:
            text = self._text(one, receiver)
            said.setdefault(text, []).append(one)
        passed = said.pop("", [])
        # What has no room is due as before.
        texts = list(said)[: rules_notices.fit_together(list(said), bot=receiver.bot)]
        if texts:
            outcome = bots.say(self._poster, receiver, "\n\n".join(texts))
            state = NoticeState.SENT
            if outcome.problem is not None:
                log.warning("notices: not sent to %s: %s", taken.origin, outcome.problem)
                state = NoticeState.GIVEN_UP if outcome.is_final else NoticeState.WAITING
            self._record([one for text in texts for one in said[text]], state, outcome.problem)
        self._record(passed, NoticeState.PASSED)

    def _record(
        self, some: Sequence[Notice], state: NoticeState, problem: Message | None = None
    ) -> None:
        boxes_notices.record(
            self._engine, some, state, problem=problem, waits=self._waits, again=self._again
        )

    def _text(self, one: Notice, receiver: Receiver) -> str:
        """Return what is posted; nothing of what is so no more."""
        notice = one.message
        texts = Texts(choose_language(environment.read()), distances=False)
        subject = one.subject
        try:
            lines = self._lines(one)
            with texts.zone_once():
                words = [redact(texts(line)) for line in lines]
        except UnknownIdError:
            words = []
        except OutOfReachError:
            raise
        except Exception:
            # One that cannot be said keeps no other one from being said.
            log.exception("notice %s of %s cannot be said", notice.id, subject)
            words = [texts("notice.bare", subject=subject)]
        if words and one.was_posted:
            words.append(texts("notice.again", subject=shlex.quote(subject)))
        if words and one.kind in _OF_BROADCAST and not any(_COMMAND in one for one in words):
            words.append(texts("notice.look", id=subject))
        # The last of a notice's own lines has the command that goes on.
        more = [Message("notice.more", id=subject), *_own_lines(notice)]
        rest = texts(more[-1])
        return rules_notices.fitted(words, rest, bot=receiver.bot)

    def _lines(self, one: Notice) -> list[Message]:
        """Return what is said; nothing of what is so no more."""
        notice, kind, subject = one.message, one.kind, one.subject
        if kind == rules_notices.STOPPED:
            lanes, moment = broadcast_reports.lanes(self._engine)
            waiting = [
                broadcast_reports.report(self._engine, each, whole=False)
                for each in in_flight.going_on(self._engine, [subject])[:MOST_NAMED]
            ]
            return list(views_notices.of_account(notice, lanes[subject], moment, waiting=waiting))
        if kind not in _OF_BROADCAST:
            is_still_so = _STILL_SO.get(kind.partition("_")[0])
            is_so = is_still_so is None or is_still_so(self._engine, one.key)
            return [notice, *_own_lines(notice)] if is_so else []
        report = broadcast_reports.report(self._engine, subject)
        if not rules_notices.is_still_so(kind, report):
            return []
        beside = beside_reports.circumstances(self._engine, report, waits=self._waits)
        return list(views_notices.of_broadcast(notice, report, beside))


def _own_lines(notice: Message) -> Sequence[Message]:
    lines = notice.facts.get("lines")
    return lines if isinstance(lines, list) else ()
