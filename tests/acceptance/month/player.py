"""A person who sees the chat alone: copies its commands, and does by hand what it asks for."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from models.ledger.campaigns import campaign_rows
from tests.acceptance.test_notices import commands_of

if TYPE_CHECKING:
    from tests.acceptance.month.world import World
    from tests.kit.bots import Bot

#: Of commands that exclude each other: the ones that go on, and those that are left then.
INSTEAD = {"resume": ("cancel",), "resolve": ("resolve",)}
#: Waits for what comes by itself; it would keep the month.
WAITS = ("watch",)
#: Where a text says that nobody here knows whether it was sent: a page of WeChat's console.
CONSOLE = "「发表记录」"
#: Exit statuses: done; what it shows is not all well.
DONE, NOT_ALL = 0, 1
#: What shows alone, so that the second is no failure of the command.
SHOWS = ("status", "accounts")


@dataclass(frozen=True)
class Heard:
    """A notice, and when it was read."""

    at: datetime
    text: str


@dataclass
class Player:
    """Reads the chat and acts, at a moment that the test has put."""

    world: World
    bot: Bot
    #: What is done by hand, by words of the text that asks for it.
    by_hand: Mapping[str, Callable[[], None]]
    #: Whether the console shows a run: the words of its command are given.
    in_console: Callable[[Sequence[str]], bool]
    heard: list[Heard] = field(default_factory=list)
    _seen: int = 0

    def play(self) -> None:
        """Answer what is in the chat, until nothing new comes of it."""
        self.world.be_at_rest()
        while news := self._news():
            for text in news:
                self._answer(text)
            self.world.be_at_rest()

    def _news(self) -> list[str]:
        """Return the notices that came since the last look."""
        posts = self.bot.texts[self._seen :]
        self._seen += len(posts)
        return [text for post in posts for text in post.split("\n\n")]

    def _answer(self, text: str) -> None:
        print(f"\n<<< {self.world.now:%m-%d %H:%M} {text}")
        self.heard.append(Heard(at=self.world.now, text=text))
        for words, does in self.by_hand.items():
            if words in text:
                does()
        offered = commands_of(text)
        assert offered, f"a notice without a command:\n{text}"
        left: tuple[str, ...] = WAITS
        for command in offered:
            if command[0] in left or (CONSOLE in text and self._is_sent(command)):
                continue
            left += INSTEAD.get(command[0], ())
            self._run(command)

    def _is_sent(self, command: Sequence[str]) -> bool:
        return "--due" in command and self.in_console(command)

    def _run(self, command: Sequence[str]) -> None:
        """Copy a command, agree to what it asks, and follow the one that it shows in its turn."""
        agrees: list[str] = []
        if command[0] == "resume" or (command[0] == "restored" and len(command) > 1):
            agrees = ["--yes"]
        if "--due" in command or command[:2] == ["campaigns", "enable"]:
            campaign = campaign_rows.named(self.world.system.engine, command[2])
            # The account's name is typed where a run goes to everybody.
            agrees = ["--yes"] if "--due" in command else []
            agrees += ["--yes-to-all"] if campaign.plan.template.to_all else []
        done = self.world.system.broadcast(*command, *agrees, status=None, timeout_s=120)
        said = done.stdout + done.stderr
        print(f">>> {shlex.join(command)}: {done.returncode}\n{said if len(said) < 2000 else ''}")
        assert done.returncode in _works(command), f"{command}: {done.returncode}\n{said}"
        if command == ["restored"]:
            for answer in commands_of(done.stdout)[:1]:
                self._run(answer)
        elif command[0] == "restored":
            for follows in commands_of(done.stdout):
                if follows[:2] == ["campaigns", "enable"]:
                    self._run(follows)


def _works(command: Sequence[str]) -> set[int]:
    """Return the exit statuses of a command that works."""
    shows = command[0] in SHOWS or "--rehearse" in command or command == ["restored"]
    return {DONE, NOT_ALL} if shows else {DONE}
