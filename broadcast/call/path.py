"""The two interfaces of WeChat that send to followers; each has calls and gates of its own."""

from __future__ import annotations

from enum import StrEnum


class SendPath(StrEnum):
    """Which interface a call goes to."""

    MASS_SEND = "mass_send"  #: to a list of OpenIDs (WeChat page "message/mass/send")
    SENDALL = "sendall"  #: to a tag or to everybody (WeChat page "message/mass/sendall")
