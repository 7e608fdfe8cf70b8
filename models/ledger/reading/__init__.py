"""Readings: what the ledger says, to persons, to workers and to its own verbs; none of them writes.

``reports`` adds up where a broadcast stands, ``recipients`` streams the OpenIDs of a set,
``flights`` are the calls under way; ``voices`` tells who stopped something, ``tripped`` what
stopped by itself. ``known`` are the accounts, ``upcoming`` is what a lane does next.

For a person who settles a batch: ``doubts`` says where to look, ``named`` whose a msg_id is,
``taken`` which calls WeChat may have taken, ``places`` what a retry would do.

A reading imports no verb: a rule of the import linter holds that.
"""
