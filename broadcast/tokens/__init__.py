"""Shared by the whole fleet in Redis: one access_token per account, and one pace of calls.

Everything here may be lost at any moment (an empty Redis costs time, never a batch);
nothing here works around Redis when it is away: ``RedisAwayError`` is raised instead.
"""
