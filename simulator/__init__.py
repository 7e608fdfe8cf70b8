"""A stand-in for the WeChat server over HTTP, for tests and trials.

It is written from WeChat's documents and from what was seen on the wire, never from our client,
and imports nothing of it: a shared mistake would hide itself. Comments and tests name the
section of the fact sheet (docs/wechat-api.md) that a rule comes from (`section 2.3`); where the
documents are silent the guess is a switch, see `simulator.switches`.
"""
