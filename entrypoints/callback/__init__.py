"""The callback server: takes what WeChat pushes, stores it, and answers. It faces the internet.

It calls nobody but the database and, by a function that it is given, whoever wakes a worker. What a
push means is the worker's; a request that is not WeChat's gets one and the same answer.
"""

from __future__ import annotations
