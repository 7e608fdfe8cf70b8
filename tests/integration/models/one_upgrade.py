"""Upgrades a database, as one of several processes that do so at once: DATABASE_URL."""

from __future__ import annotations

import sys

from models import schema
from models.engine import open_engine

if __name__ == "__main__":
    print("upgraded", *schema.upgrade(open_engine(sys.argv[1])))
