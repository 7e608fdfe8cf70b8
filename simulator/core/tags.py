"""An account's tags and their followers (section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.core.number_set import NumberSet
from simulator.openid import Numbers

STARRED = 2
FIRST_ID = 100
#: Tags of WeChat's own: nobody renames or deletes them.
SYSTEM_IDS = frozenset({0, 1, STARRED})


@dataclass(slots=True, kw_only=True)
class Tag:
    """A tag; its members may have unsubscribed meanwhile."""

    tag_id: int
    name: str
    members: NumberSet = field(default_factory=NumberSet)


class TagBook:
    """The tags of one account, by their ids."""

    def __init__(self) -> None:
        self._tags = {STARRED: Tag(tag_id=STARRED, name="星标组")}
        self._next_id = FIRST_ID

    def __iter__(self) -> Iterator[Tag]:
        return iter(self._tags.values())

    def __len__(self) -> int:
        return len(self._tags)

    def get(self, tag_id: object) -> Tag | None:
        """Return the tag with this id."""
        return self._tags.get(tag_id) if isinstance(tag_id, int) else None

    def create(self, name: str) -> Tag:
        """Add a tag; no id is given twice."""
        while self._next_id in self._tags:
            self._next_id += 1
        tag = self._tags[self._next_id] = Tag(tag_id=self._next_id, name=name)
        self._next_id += 1
        return tag

    def put(self, tag_id: int, numbers: Numbers) -> Tag:
        """Set the members of a tag; it is made if it is not there."""
        tag = self._tags.setdefault(tag_id, Tag(tag_id=tag_id, name=f"tag {tag_id}"))
        tag.members = NumberSet(numbers)
        return tag

    def delete(self, tag_id: int) -> None:
        """Remove a tag."""
        del self._tags[tag_id]

    def of(self, number: int) -> list[int]:
        """Return the ids of the tags that a follower bears."""
        return [tag.tag_id for tag in self if number in tag.members.numbers]
