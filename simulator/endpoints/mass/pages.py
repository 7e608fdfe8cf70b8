"""The pages behind articles and videos that were sent: one a material, however often it is sent."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from simulator.core.world import World
from simulator.endpoints.mass.content import media_ids
from simulator.endpoints.mass.jobs import Job, JobStatus

Material: TypeAlias = tuple[str, str]
"""An appid and a media_id."""


class Pages:
    """Deleted pages. A deletion kills a page for all sends of the material (section 4.2)."""

    def __init__(self, _world: World) -> None:
        self._deleted: set[tuple[Material, int]] = set()

    def delete(self, material: Material, index: int) -> None:
        """Delete a page."""
        self._deleted.add((material, index))

    def deleted(self, material: Material) -> list[int]:
        """Return the numbers of the articles whose pages are gone."""
        return sorted(index for one, index in self._deleted if one == material)

    def all_gone(self, material: Material, *, articles: int) -> bool:
        """Say whether none of its pages works any more."""
        return len(self.deleted(material)) >= articles


def url_of(job: Job, index: int) -> str:
    """Return the address of an article that was sent."""
    text = f"{job.appid}/{media_ids(job.content)[0]}/{index}"
    return f"http://mp.weixin.qq.com/s/{hashlib.sha256(text.encode()).hexdigest()[:22]}"


def status_of(world: World, job: Job) -> JobStatus:
    """Return the status of mass/get of a job: DELETE where none of its pages works any more.

    Raises:
        RefusalError: 40059, the job is not visible yet (section 4.3).
    """
    status = job.status(world.now(), world.switches)
    named = media_ids(job.content)
    gone = named and world.part(Pages).all_gone(
        (job.appid, named[0]), articles=max(1, job.articles)
    )
    return "DELETE" if status == "SEND_SUCCESS" and gone else status
