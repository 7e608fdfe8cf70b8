"""The ledger: what is written to the tables, as named verbs, each one short transaction.

The way of a broadcast: ``submits`` stores an audience, ``uploads`` ends what was not published,
``plans`` cuts it into batches, ``lanes`` leases an account's road, ``claims`` writes a call down
before it is made, ``records`` stores what came back and decides, ``splits`` halves a batch,
``polls`` takes in what mass/get says, ``sweeps`` finds what was left behind.

What stops it: ``stops`` closes a lane, ``obstacles`` lets one wait that cannot ask WeChat,
``guards`` notices what repeats itself, ``controls`` carries out a human's word, ``resolves`` and
``retries`` what he says of batches; ``held`` keeps a broadcast still meanwhile, ``contradictions``
tells when a reply says otherwise.

What is asked: ``reports`` adds up, ``recipients`` streams the OpenIDs of a set, ``flights`` are the
calls under way, ``taken`` those that WeChat may have taken, ``voices`` who stopped something;
``quotas`` counts the calls of a day, ``accounts`` knows names and appids, and ``audit`` doubts all
of it. Below them ``moves`` moves states and ``transaction`` commits.
"""
