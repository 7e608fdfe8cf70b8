"""The ledger: what is written to the tables, as named verbs, each one short transaction.

The way of a broadcast: ``accounts`` meets whose it is, ``submits`` stores an audience, ``uploads``
ends what was not published, ``quotas`` counts the calls of a day, ``plans`` cuts the audience into
batches, ``lanes`` leases an account's road, ``claims`` writes a call down before it is made,
``records`` stores what came back and decides, ``consequences`` carries that out, ``splits`` halves
a batch, ``polls`` takes in what mass/get says, ``sweeps`` finds what was left behind.

What stops it: ``stops`` closes a lane, ``obstacles`` lets one wait that cannot ask WeChat,
``guards`` notices what repeats itself, ``controls`` carries out a human's word, ``resolves`` and
``retries`` what he says of batches; ``held`` keeps a broadcast still meanwhile, ``contradictions``
tells when a reply says otherwise, ``broken`` leaves to a person what this program got wrong.

Two rooms write nothing: ``reading`` is what is asked, and ``audit`` doubts all of it. Below them
``moves`` moves states and ``transaction`` commits.
"""
