"""Progress of a pass over WeChat's list of followers: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from datetime import datetime

from rich.markup import escape
from rich.progress import BarColumn, TimeElapsedColumn

from broadcast.message import Message
from broadcast.views.words import Moment
from entrypoints.cli.progress import BarOnTerminal
from entrypoints.cli.terminal import Terminal
from models.ledger.followers.follower_syncs import Sync
from producer.followers import DetailsOutlook, Outlook


class FollowerProgress(BarOnTerminal):
    """:class:`producer.followers.Watcher` and of the details, on standard error."""

    def __init__(self, terminal: Terminal, *, now: datetime) -> None:
        """*now*: the database's moment."""
        super().__init__(terminal, BarColumn(), TimeElapsedColumn())
        self._now = now
        self._said: Message | None = None

    def begins(self, outlook: Outlook) -> None:
        """Show the progress of the pass and the reach of today's calls; nothing twice."""
        sync = outlook.sync
        if outlook.resumed:
            since = Moment(sync.started_at, self._now)
            self._tell(Message("sync.resumes", pages=sync.pages, listed=sync.listed, since=since))
        line = outlook_line(outlook)
        if line != self._said:
            self._said = line
            self._tell(line)
        self.has(sync)

    def _tell(self, message: Message) -> None:
        """Print a line above the bar, which has standard error meanwhile."""
        if self._bar.disable:
            self._terminal.note(message)
        else:
            self.tell(message)

    def has(self, sync: Sync) -> None:
        """Move the bar."""
        texts, total = self._texts, sync.total
        kind = "sync.bar_begins" if total is None else "sync.bar"
        figures = texts(kind, listed=sync.listed, total=total)
        self._bar.update(
            self._task,
            total=total,
            completed=min(sync.listed, total or 0),
            description=escape(texts("sync.bar_name")),
            figures=escape(figures),
        )

    def makes_list(self, sync: Sync) -> None:
        """Say that nothing more is asked for."""
        texts = self._texts
        self._bar.update(
            self._task,
            total=None,
            description=escape(texts("sync.bar_list")),
            figures=escape(texts("sync.bar_begins", listed=sync.listed)),
        )

    def asks(self, outlook: DetailsOutlook) -> None:
        """Show the followers that WeChat is asked about, and the reach of today's calls."""
        facts = {"people": outlook.people, "needed": outlook.calls_needed}
        if outlook.calls_left is None:
            self._tell(Message("details.left_unknown", **facts))
        else:
            kind = "details.fits" if outlook.fits else "details.does_not_fit"
            self._tell(Message(kind, left=outlook.calls_left, **facts))
        self._bar.update(self._task, total=outlook.people)
        self.asked(0)

    def asked(self, people: int) -> None:
        """Move the bar."""
        texts, total = self._texts, self._bar.tasks[0].total
        self._bar.update(
            self._task,
            completed=people,
            description=escape(texts("details.bar_name")),
            figures=escape(texts("sync.bar", listed=people, total=int(total or 0))),
        )


def outlook_line(outlook: Outlook) -> Message:
    """Return the line that says whether a pass can end today."""
    if outlook.calls_needed is None:
        if outlook.calls_left is None:
            return Message("sync.nothing_known")
        return Message("sync.total_unknown", left=outlook.calls_left)
    facts = {"total": outlook.total, "needed": outlook.calls_needed}
    if not outlook.calls_needed:
        return Message("sync.nothing_left", **facts)
    if outlook.calls_left is None:
        return Message("sync.left_unknown", **facts)
    kind = "sync.fits" if outlook.fits else "sync.does_not_fit"
    return Message(kind, left=outlook.calls_left, **facts)
