"""What commands say that ask WeChat; its stand-in is there, and Redis."""

from __future__ import annotations

from typing import Final

from tests.golden.scene import Scene
from tests.golden.situations import with_wechat
from tests.golden.situations.programs import listed, suppress

_SEND: Final = ("send", "--account", "default", "--text", "Live on Friday", "--dry-run")


@with_wechat
def dry_runs_with_wechat(scene: Scene) -> None:
    people = scene.wechat.openids(40)
    words = (*_SEND, "--openids", listed([*people, people[0], "wrong"]))
    scene.cli(*words)
    scene.cli(*words, "--sample", "10", "--exclude", "tag:102")
    scene.cli(*_SEND, "--tag", "102")
    scene.cli(*_SEND, "--to-all", "--yes-to-all")
    suppress(scene, people[:3])
    scene.cli(*words)
    scene.cli(*_SEND, "--tag", "102", status=None)
    scene.wechat.change_account(used=100)
    scene.cli(*words, status=None)
    scene.cli(*words, "--spread-days", status=None)
    scene.cli(*_SEND, "--followers", status=None)


@with_wechat
def sent_with_wechat(scene: Scene) -> None:
    people = scene.wechat.openids(40)
    words = ("send", "--account", "default", "--openids", listed(people), "--again")
    made = scene.cli(*words, "--text", "Live on Friday", "--key", "1")
    scene.cli(*words, "--text", "Live on Monday", "--key", "2", "--sample", "10")
    scene.cli(*words, "--text", "Live on Sunday", "--key", "3", "--at", "2037-01-05 20:00")
    scene.cli(*words, "--mpnews", "nobody", "--key", "4", status=None)
    scene.cli("status", made["id"])
    scene.cli("cancel", made["id"])


@with_wechat
def calls_left(scene: Scene) -> None:
    scene.cli("quota", "--account", "default")
    scene.wechat.change_account(used=100)
    scene.cli("quota", "--account", "default")
    scene.cli("quota", "clear", "--account", "default", "--yes", status=None)
    scene.cli("speed", "get", "--account", "default")
    scene.cli("speed", "set", "2", "--account", "default")


@with_wechat
def followers_synced(scene: Scene) -> None:
    people = scene.wechat.openids(40)
    scene.cli("followers", "sync", "--account", "default")
    scene.wechat.remove_followers(people[:2])
    scene.cli("followers", "sync", "--account", "default")
    scene.cli("follower", people[0], "--account", "default")
    scene.cli("follower", people[2], "--account", "default")
    scene.cli(*_SEND, "--followers")
    scene.cli(*_SEND, "--followers", "--with-tag", "102")
    scene.cli(*_SEND, "--openids", listed(people), "--only-current")


@with_wechat
def tags_of_followers(scene: Scene) -> None:
    file = listed(scene.wechat.openids(3))
    scene.cli("tags", "list", "--account", "default")
    scene.cli("tags", "create", "VIP", "--account", "default")
    scene.cli("tags", "add", "VIP", "--openids", file, "--account", "default", status=None)
    scene.cli("tags", "rename", "VIP", "VVIP", "--account", "default")
    scene.cli("tags", "remove", "VVIP", "--openids", file, "--account", "default", status=None)
    scene.cli("tags", "delete", "VVIP", "--account", "default", "--yes", status=None)


@with_wechat
def previews(scene: Scene) -> None:
    person = scene.wechat.openids(1)[0]
    words = ("preview", "--account", "default", "--text", "Live on Friday")
    scene.cli(*words, "--to", person, status=None)
    scene.cli(*words, "--to", "nobody-follows-so", status=None)
