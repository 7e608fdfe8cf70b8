"""WeChat's endpoints, as faults are ordered for them and calls of them are looked up."""

from __future__ import annotations

MASS_SEND = "/cgi-bin/message/mass/send"
MASS_SENDALL = "/cgi-bin/message/mass/sendall"
MASS_GET = "/cgi-bin/message/mass/get"
QUOTA = "/cgi-bin/openapi/quota/get"
STABLE_TOKEN = "/cgi-bin/stable_token"
#: Whichever an account is set to use.
TOKENS = (STABLE_TOKEN, "/cgi-bin/token")
