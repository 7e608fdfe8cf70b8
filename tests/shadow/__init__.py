"""The shadow run: one story of faults and commands, told to an older version and to this one."""

from __future__ import annotations

#: The version that this one is compared with. It moves only in a commit that means to change who
#: gets what, which keys are used, or how a broadcast ends, and says so.
COMMIT = "3d26b505df82fae0ec72f98c9a1907b26fae91b1"
