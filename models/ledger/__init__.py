"""The ledger: every write to the tables, as named verbs, each one short transaction.

``submits`` stores an audience, ``plans`` cuts it into batches, ``lanes`` leases an account's road,
``claims`` writes a call down before it is made, ``records`` stores what came back and decides,
``polls`` takes in what mass/get says, ``sweeps`` finds what was left behind, ``controls`` carries
out a human's word, ``reports`` adds up.
"""
