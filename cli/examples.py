"""Two examples of each command, for its help and for the documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, str]]] = {
    "send": (
        "broadcast send --openids followers.csv --text 'Live on Friday, 20:00' --wait",
        "broadcast send --openids list.csv --content post.json --at '2026-12-01 20:00'",
    ),
    "status": ("broadcast status", "broadcast status @last"),
    "watch": ("broadcast watch", "broadcast watch 5zhxqq --until finished"),
    "list": ("broadcast list", "broadcast list --account shop --most 100"),
    "recipients": (
        "broadcast recipients 5zhxqq --set in_doubt",
        "broadcast recipients 5zhxqq --set refused --csv > refused.csv",
    ),
    "audit": ("broadcast audit --all", "broadcast audit 5zhxqq"),
    "explain": ("broadcast explain 45009", "broadcast explain"),
    "pause": ("broadcast pause", "broadcast pause 5zhxqq --why 'wrong link'"),
    "resume": ("broadcast resume", "broadcast resume 5zhxqq --why 'link corrected'"),
    "cancel": ("broadcast cancel", "broadcast cancel 5zhxqq --yes --why 'wrong list'"),
    "retry": ("broadcast retry 5zhxqq", "broadcast retry @last --why 'white list corrected'"),
    "resolve": (
        "broadcast resolve 5zhxqq --batch 3 --sent 3147483652",
        "broadcast resolve 5zhxqq --batch 3 --not-sent --why 'not in the console'",
    ),
    "halt": ("broadcast halt --account shop", "broadcast halt --all --why 'wrong text'"),
    "unhalt": ("broadcast unhalt --account shop", "broadcast unhalt --all"),
    "accounts": ("broadcast accounts", "broadcast accounts --json"),
    "quota": ("broadcast quota", "broadcast quota --account shop"),
    "token": ("broadcast token show", "broadcast token refresh --account shop"),
    "up": ("broadcast up", "BROADCAST_LANG=zh broadcast up"),
    "demo": ("broadcast demo", "BROADCAST_LANG=zh broadcast demo"),
    "simulator": ("broadcast simulator", "broadcast simulator --port 8080"),
    "db": ("broadcast db upgrade", "DATABASE_URL=postgresql://… broadcast db upgrade"),
    "help": ("broadcast help", "broadcast help send"),
}
