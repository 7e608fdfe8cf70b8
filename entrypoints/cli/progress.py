"""Progress as a bar, on a terminal."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Self

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from broadcast.message import Message
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Report
from broadcast.views import words
from entrypoints.cli.following import figures
from entrypoints.cli.terminal import Terminal, fitted


class _Clock(ProgressColumn):
    """The time since the start: what is waited for may come after the bar is full."""

    def render(self, task: Task) -> Text:
        """Return hours, minutes and seconds."""
        elapsed = timedelta(seconds=int(task.elapsed or 0))
        return Text(str(elapsed), style="progress.elapsed")


class BarOnTerminal:
    """A bar on standard error, where that is a terminal: ``with`` shows it."""

    def __init__(self, terminal: Terminal, bar: BarColumn, clock: ProgressColumn) -> None:
        """*bar* and *clock*: as they are drawn."""
        self._terminal, self._texts = terminal, terminal.texts
        console = Console(stderr=True, highlight=False)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            bar,
            TextColumn("{task.fields[figures]}"),
            clock,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, figures="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def tell(self, message: Message) -> None:
        """Print a line above the bar, by its own console, which has standard error meanwhile."""
        line = Text.from_ansi(fitted(self._texts(message), message, sys.stderr))
        self._bar.console.print(line, soft_wrap=True)


class Bar(BarOnTerminal):
    """:class:`entrypoints.cli.following.Progress` as a bar on standard error."""

    def __init__(self, terminal: Terminal) -> None:
        """Prepare it."""
        colours = BarColumn(complete_style="green", finished_style="green", pulse_style="yellow")
        super().__init__(terminal, colours, _Clock())

    @property
    def renderable(self) -> RenderableType:
        """The bar as rich draws it."""
        return self._bar.get_renderable()

    def show(self, report: Report) -> None:
        """Move the bar to how far the report is."""
        planned, total = report.audience["planned"], report.batches["total"]
        done = total - report.batches["waiting"]
        self._bar.update(
            self._task,
            # Before its batches are there, a list that nobody counted has no length.
            total=planned if planned is not None else total or None,
            completed=done if planned is None else planned - (report.recipients["waiting"] or 0),
            # The long one does not fit into 80 columns beside the figures.
            description=escape(words.short(report.state, self._texts)),
            figures=escape(self._figures(report)),
        )

    def _figures(self, report: Report) -> str:
        kept_back = report.gate(GateKind.COOLING_OFF)
        if kept_back is not None and kept_back.is_closed(report.now):
            left = (kept_back.until or report.now) - report.now
            return self._texts("following.bar_cooling_off", left=left)
        shown = figures(report, "following.bar")
        return self._texts(shown) if shown else ""


def leave_the_bar() -> None:
    """Restore the cursor that the bar of a killed process had hidden."""
    terminal = Console(stderr=True)
    if terminal.is_terminal:
        terminal.show_cursor()
        terminal.print()
