"""What chance decides of a trial: the word, and the moment when it is spoken."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """What a person types to stop something."""

    PAUSE = "pause"
    CANCEL = "cancel"
    HALT = "halt"
    HALT_ALL = "halt --all"

    @property
    def halts(self) -> bool:
        """It is about accounts, and stops whatever they have to send."""
        return self in {Word.HALT, Word.HALT_ALL}


WORDS = tuple(Word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What chance decides of a trial: the word comes so long after so many calls."""

    word: Word
    latency_ms: float
    calls: int
    after_s: float


def draw(seed: int, count: int) -> list[Drawn]:
    """Return *count* trials, as many of each word as can be; the same seed draws the same."""
    chance = random.Random(seed)
    words = [WORDS[n % len(WORDS)] for n in range(count)]
    chance.shuffle(words)
    return [
        Drawn(
            word=word,
            latency_ms=round(chance.uniform(20, 50), 1),
            calls=chance.randint(1, 6),
            after_s=round(chance.uniform(0, 0.1), 3),
        )
        for word in words
    ]
