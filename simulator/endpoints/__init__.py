"""WeChat's endpoints: one file (or folder) a family, which declares them as its `ENDPOINTS`.

A new family is a new file here, and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from simulator.core.endpoint import Endpoint


def every_endpoint() -> list[Endpoint]:
    """Return the endpoints of all families."""
    families = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    return [endpoint for family in families for endpoint in family.ENDPOINTS]
