"""Shared by all endpoints: declaration, token, quota, faults, journal, clock, scheduler, push.

It knows no endpoint. What is the same for all calls stands here once; see `core.endpoint` for
what an endpoint declares.
"""
