"""References of a message: files and articles, of its own account, alive."""

from __future__ import annotations

from simulator.core.accounts import Account
from simulator.core.errors import RefusalError
from simulator.core.world import World
from simulator.endpoints.draft.box import DraftBox
from simulator.endpoints.media.store import MediaStore

ARTICLE = "article"
MASS_VIDEO = "mass video"


def check_reference(world: World, account: Account, wanted: tuple[str, tuple[str, ...]]) -> None:
    """Refuse a media_id that cannot be sent as one of these kinds.

    Raises:
        RefusalError: 40007 dead, deleted, foreign or unknown; 45161 a video that is none
            for mass sends; -1 or 40007 of another kind.
    """
    media_id, kinds = wanted
    if media_id in account.dead_media:
        raise RefusalError(40007)
    kind = _kind_of(world, account, media_id)
    if kind is None:
        if world.switches.media_must_exist:
            raise RefusalError(40007)
    elif kind not in kinds:
        video = kind == "video" and MASS_VIDEO in kinds
        raise RefusalError(45161 if video else world.switches.media_mismatch_errcode)


def _kind_of(world: World, account: Account, media_id: str) -> str | None:
    """Return the kind of an id; 40007 where it is dead, deleted or another account's."""
    store = world.part(MediaStore)
    if media_id in store.deleted:
        raise RefusalError(40007)
    for one in world.accounts.values():
        box = one.part(DraftBox)
        if media_id in box.deleted or (box.known(media_id) and one is not account):
            raise RefusalError(40007)
        if box.known(media_id):
            return ARTICLE
    return store.get(account, media_id).kind if store.known(media_id) else None
