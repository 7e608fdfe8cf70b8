"""Base of every other package: words and rules of a broadcast, settings, views, WeChat.

It knows no database and no broker; a contract of `pyproject.toml` says which room knows what.
"""
