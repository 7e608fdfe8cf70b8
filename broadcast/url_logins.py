"""Whether a URL's user name and password end where every reader of it thinks that they end.

A password with an ``@`` in it that is not escaped ends at its first ``@`` to one reader and at its
last to the next. The rest is taken for a host or a path, and is printed as such. Pure.
"""

from __future__ import annotations

import re

_AUTHORITY = re.compile(r"[^/?#]*")


def torn(url: str) -> bool:
    """Return whether an ``@`` of *url* may belong to a password that is not escaped.

    It may where there are two, or where one stands behind the host. Where nothing stands before
    the path (``sqlite:///…``, ``unix:///…``), nothing is a password, and a folder may have an
    ``@`` in its name.
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return "@" in scheme
    return not rest.startswith("/") and (
        rest.count("@") > 1 or "@" in _AUTHORITY.sub("", rest, count=1)
    )


def any_torn(urls: str) -> bool:
    """Return the same for a broker's URLs: Celery takes several, with ``;`` between them."""
    return any(map(torn, urls.split(";")))
