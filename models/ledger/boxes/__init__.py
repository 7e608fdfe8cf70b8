"""Boxes: pushes and requests that came in, webhooks that go out, dead letters."""
