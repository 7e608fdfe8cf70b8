"""Two examples of each command, for its help and for the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from presentation.texts import Texts


def of(command: str, texts: Texts) -> Iterator[str]:
    """Yield the examples of a command, with names of files and words in the reader's language."""
    for line in EXAMPLES.get(command, ()):
        yield _WORD.sub(lambda found: texts(f"example.{found[1]}"), line)


_WORD: Final = re.compile(r"{(\w+)}")

#: What stands in braces is the end of a text's id.
EXAMPLES: Final[Mapping[str, tuple[str, str]]] = {
    "send": (
        "broadcast send --openids {followers_file} --text '{live}' --wait",
        "broadcast send --openids {list_file} --content post.json --at '2026-12-01 20:00'",
    ),
    "preview": (
        "broadcast preview --text '{live}' --to editor_01",
        "broadcast preview --content post.json --group team",
    ),
    "status": ("broadcast status", "broadcast status @last"),
    "watch": ("broadcast watch", "broadcast watch 5zhxqq --until finished"),
    "list": ("broadcast list", "broadcast list --account shop --most 100"),
    "recipients": (
        "broadcast recipients 5zhxqq --set refused --csv > refused.csv",
        "broadcast recipients 5zhxqq --set cancelled --set refused > rest.txt",
    ),
    "follower": (
        "broadcast follower oAbcde000000000000000000000A",
        "broadcast follower oAbcde000000000000000000000A --most 100 --json",
    ),
    "audit": ("broadcast audit --all", "broadcast audit 5zhxqq"),
    "reconcile": ("broadcast reconcile", "broadcast reconcile --day 2026-12-01 --account shop"),
    "explain": ("broadcast explain 45009", "broadcast explain 'api unauthorized'"),
    "pause": ("broadcast pause", "broadcast pause 5zhxqq --why '{wrong_link}'"),
    "resume": ("broadcast resume", "broadcast resume 5zhxqq --yes --why '{link_corrected}'"),
    "cancel": ("broadcast cancel", "broadcast cancel 5zhxqq --yes --why '{wrong_list}'"),
    "recall": (
        "broadcast recall 5zhxqq --why '{wrong_price}'",
        "broadcast recall 5zhxqq --article 2 --yes",
    ),
    "retry": ("broadcast retry 5zhxqq", "broadcast retry @last --why '{whitelist_corrected}'"),
    "resolve": (
        "broadcast resolve 5zhxqq --batch 3 --sent",
        "broadcast resolve 5zhxqq --batch 3 --not-sent --why '{not_in_console}'",
    ),
    "halt": ("broadcast halt --account shop", "broadcast halt --all --why '{wrong_text}'"),
    "unhalt": ("broadcast unhalt --account shop", "broadcast unhalt --all"),
    "accounts": ("broadcast accounts", "broadcast accounts --json"),
    "quota": ("broadcast quota --account shop", "broadcast quota clear --why '{urgent}'"),
    "speed": ("broadcast speed get", "broadcast speed set 2 --account shop"),
    "tags": (
        "broadcast tags list --account shop",
        "broadcast tags add {vip} --openids {vip_file}",
    ),
    "token": ("broadcast token show", "broadcast token refresh --account shop"),
    "draft": ("broadcast draft list", "broadcast draft add {article_file} --cover {cover_file}"),
    "followers": ("broadcast followers sync --account shop", "broadcast followers details"),
    "suppress": (
        "broadcast suppress add oAbcde000000000000000000000A --why '{complained}'",
        "broadcast suppress import {asked_out_file} --account shop",
    ),
    "media": (
        "broadcast media upload {photo_file} {voice_file}",
        "broadcast media upload {cover_file} --kind thumb --permanent",
    ),
    "api": ("broadcast api", "broadcast api --host 0.0.0.0 --port 8080 --reuse-port"),
    "api-keys": (
        "broadcast api-keys new shop",
        "broadcast api-keys new console --scope read --scope control",
    ),
    "dead": ("broadcast dead list", "broadcast dead retry dead-20261127-k3x9qa"),
    "webhooks": (
        "broadcast webhooks list",
        "broadcast webhooks retry 20261127-k3x9qa-12",
    ),
    "up": ("broadcast up", "broadcast up --simulator"),
    "callback": ("broadcast callback", "broadcast callback --host 0.0.0.0 --port 8080"),
    "demo": ("broadcast demo", "BROADCAST_LANG=zh broadcast demo"),
    "simulator": ("broadcast simulator", "broadcast simulator --port 8080"),
    "db": ("broadcast db upgrade", "DATABASE_URL=postgresql://… broadcast db upgrade"),
    "help": ("broadcast help", "broadcast help send"),
    "completion": (
        "broadcast completion bash --install",
        "broadcast completion zsh > ~/.zfunc/_broadcast",
    ),
}
