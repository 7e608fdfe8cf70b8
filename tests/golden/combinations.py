"""Five hundred broadcasts that differ in all that shapes what goes to WeChat, dealt from a seed.

Each trait is dealt from a shuffled deck, so that every value of it comes equally often.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

COUNT: Final = 500
#: Each is sent by an installation of its own.
GROUPS: Final = 2
ACCOUNTS: Final = ("shop", "club", "news")
#: Of each account, by their place among the generated followers.
FOLLOWERS: Final = 300
#: They unsubscribed between two syncs; lists still name them.
LEFT: Final = range(0, FOLLOWERS, 25)
#: They are on the suppression list.
SUPPRESSED: Final = range(3, FOLLOWERS, 20)
TAGS: Final = {102: range(0, FOLLOWERS, 3), 103: range(1, FOLLOWERS, 7)}
#: Whom an earlier broadcast reached.
EARLIER: Final = range(40, 100)
#: Whom a file names that is excluded.
FILE: Final = range(10, FOLLOWERS, 11)
#: Nothing leaves these out, so that there are always the two people whom WeChat needs.
_CERTAIN: Final = [
    n
    for n in range(FOLLOWERS)
    if not any(n in those for those in (LEFT, SUPPRESSED, EARLIER, FILE, *TAGS.values()))
]
#: They never followed.
STRANGERS: Final = range(5_000, 5_005)
_SEED: Final = 20_261_131
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One broadcast as it is asked for; people are places among the generated followers."""

    name: str
    account: str
    #: python or cli.
    door: str
    batch_size: int
    content: dict[str, Any]
    #: openids, followers, with_tag, tag_id or to_all.
    audience: str
    #: Of a list its lines: a place, or a text that is no OpenID.
    lines: tuple[int | str, ...] = ()
    #: tag:ID, broadcast:earlier or file:out.
    exclude: tuple[str, ...] = ()
    options: dict[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        """What tells it from others, for whoever reads the evidence."""
        whom: dict[str, Any] = {"audience": self.audience}
        if self.lines:
            whom["lines"] = len(self.lines)
        if self.exclude:
            whom["exclude"] = list(self.exclude)
        return {
            "door": self.door,
            "account": self.account,
            "batch_size": self.batch_size,
            "content": self.content["msgtype"],
            **whom,
            **self.options,
        }


def contents(name: str) -> list[dict[str, Any]]:
    """Return each kind of content; *name* stands in all of them, so that none is sent twice."""
    return [
        {"msgtype": "text", "text": {"content": f"{name} 周五 20:00 直播，您好"}},
        {"msgtype": "text", "text": {"content": f'{name} "q" \\ / 🎉👨‍👩‍👧 \u2028\n\tend é'}},
        {"msgtype": "text", "text": {"content": f'{name} <a href="https://e.cn/?a=1&b=2">x</a>'}},
        {"msgtype": "text", "text": {"content": f"{name} " + "长" * 280}},
        {"msgtype": "image", "images": {"media_ids": [f"{name}-i"]}},
        {
            "msgtype": "image",
            "images": {
                "media_ids": [f"{name}-i{n}" for n in range(3)],
                "recommend": "看 \U0001f440",
                "need_open_comment": 1,
                "only_fans_can_comment": 1,
            },
        },
        {"msgtype": "voice", "voice": {"media_id": f"{name}-v"}},
        {"msgtype": "mpvideo", "mpvideo": {"media_id": f"{name}-m"}},
        {
            "msgtype": "mpvideo",
            "mpvideo": {"media_id": f"{name}-m", "title": "标题", "description": 'd "x"'},
        },
        {"msgtype": "mpnews", "mpnews": {"media_id": f"{name}-n"}},
        {"msgtype": "mpnews", "mpnews": {"media_id": f"{name}-n"}, "send_ignore_reprint": 1},
        {"msgtype": "wxcard", "wxcard": {"card_id": f"{name}-c"}},
    ]


def all_of_them() -> list[Combination]:
    """Return every combination, always the same ones."""
    dice = random.Random(_SEED)
    decks = {trait: _deck(dice, values) for trait, values in _TRAITS.items()}
    return [
        _combination(n, {trait: deck[n] for trait, deck in decks.items()}, dice)
        for n in range(COUNT)
    ]


def group(number: int) -> list[Combination]:
    """Return those that one installation sends."""
    return all_of_them()[number::GROUPS]


_LIST, _FOLLOWERS, _OF_TAG, _TAG, _ALL = "openids", "followers", "with_tag", "tag_id", "to_all"
_TRAITS: Final[dict[str, Sequence[Any]]] = {
    "account": ACCOUNTS,
    "content": range(len(contents(""))),
    "audience": (_LIST,) * 22 + (_FOLLOWERS, _OF_TAG) * 4 + (_TAG,) * 3 + (_ALL,),
    "batch_size": (7, 25, 60, 110, 10_000),
    #: Of a list: how many people, by the size of its batches.
    "length": ("2", "b-1", "b", "b+1", "2b-1", "2b", "2b+1", "3b"),
    "dirt": ((), (), ("twice",), ("malformed",), ("twice", "malformed", "strangers")),
    "exclude": (
        (),
        (),
        (),
        (),
        ("tag:102",),
        ("tag:103",),
        ("broadcast:earlier",),
        ("broadcast:earlier", "tag:103"),
    ),
    "only_current": (False, False, True),
    "sample": (None, None, None, None, "20", "35%", "100%"),
    "ignore_suppression": (False, False, False, True),
    "priority": (0, 0, 0, -100, -1, 1, 7, 100),
    "late_by": (None, None, "1h30m"),
    "spread_days": (False, False, True),
    "title": (None, None, "十一月的标题 & more"),
    "again": (False, True),
}
#: As many are asked for by a command, which alone can exclude a file.
_BY_COMMAND: Final = 8
_LARGE: Final = 60
#: Of a shorter list a sample may be nobody.
_SHORT: Final = 40


def _deck(dice: random.Random, values: Sequence[T]) -> list[T]:
    cards = [values[n % len(values)] for n in range(COUNT)]
    dice.shuffle(cards)
    return cards


def _combination(n: int, dealt: dict[str, Any], dice: random.Random) -> Combination:
    name = f"c{n:03}"
    by_command = n < _BY_COMMAND
    audience = _LIST if by_command else dealt["audience"]
    size = dealt["batch_size"]
    lines = _lines(dealt, size, dice) if audience == _LIST else ()
    if audience in {_FOLLOWERS, _OF_TAG}:
        # Or a third of all calls would be theirs.
        size = max(size, _LARGE)
    if 0 < len(lines) < _SHORT and dealt["sample"] != "100%":
        dealt = {**dealt, "sample": None}
    ours = audience in {_LIST, _FOLLOWERS, _OF_TAG}
    exclude = dealt["exclude"] if ours else ()
    return Combination(
        name=name,
        account=dealt["account"],
        door="cli" if by_command else "python",
        batch_size=size,
        content=contents(name)[dealt["content"]],
        audience=audience,
        lines=lines,
        exclude=(*exclude, "file:out") if by_command else exclude,
        options=_options(dealt, ours=ours),
    )


def _options(dealt: dict[str, Any], *, ours: bool) -> dict[str, Any]:
    names = ["priority", "late_by", "spread_days", "title", "again", "ignore_suppression"]
    if ours:
        names += ["only_current", "sample"]
    else:
        # Nobody can be left out of a list that is WeChat's.
        dealt = {**dealt, "ignore_suppression": True}
    return {name: dealt[name] for name in names if dealt[name]}


def _lines(dealt: dict[str, Any], size: int, dice: random.Random) -> tuple[int | str, ...]:
    b = min(size, 90)
    count = {
        "2": 2,
        "b-1": b - 1,
        "b": b,
        "b+1": b + 1,
        "2b-1": 2 * b - 1,
        "2b": 2 * b,
        "2b+1": 2 * b + 1,
        "3b": 3 * b,
    }[dealt["length"]]
    drawn = dice.sample(range(FOLLOWERS), FOLLOWERS)
    lines: list[int | str] = []
    lines += sorted(drawn, key=_CERTAIN[:2].__contains__, reverse=True)[:count]
    if "twice" in dealt["dirt"]:
        lines += dice.sample(lines, max(1, len(lines) // 10))
    if "strangers" in dealt["dirt"]:
        lines += STRANGERS
    if "malformed" in dealt["dirt"]:
        lines += ["", "wrong", "o" * 27, "o" + "ü" * 27]
    dice.shuffle(lines)
    return tuple(lines)
