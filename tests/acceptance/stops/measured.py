"""How soon nothing was called any more: one trial, and the distribution of many."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.acceptance.stops.draw import WORDS, Word

#: From the command's return to the start of the last call: at most this.
BAR_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial in Unix seconds; below zero, the last call began before that moment."""

    word: Word
    asked: float
    #: When the ledger says that the word was spoken, by the database's clock.
    spoken: float
    returned: float
    last_start: float
    #: The command named a call that it did not reach any more.
    under_way: bool

    @property
    def after_return_s(self) -> float:
        """From the command's return to the start of the last call."""
        return self.last_start - self.returned

    @property
    def after_word_s(self) -> float:
        """The same from the word's line in the ledger, which is written before the return."""
        return self.last_start - self.spoken

    @property
    def took_s(self) -> float:
        """How long the command ran."""
        return self.returned - self.asked


def told(trials: Sequence[Measured]) -> Iterable[str]:
    """Yield the distribution of some trials, a line a word and one for all."""
    for word in (*WORDS, "all"):
        of_word = [one for one in trials if word in {one.word, "all"}]
        if not of_word:
            continue
        figures = [
            f"{name}: {statistics.median(values):+.2f} s, at most {max(values):+.2f} s"
            for name, values in (
                ("after the return", [one.after_return_s for one in of_word]),
                ("after the word", [one.after_word_s for one in of_word]),
                ("the command ran", [one.took_s for one in of_word]),
            )
        ]
        flown = sum(one.under_way for one in of_word)
        yield f"stop: {word}: {len(of_word)} trials; {'; '.join(figures)}; {flown} under way"
