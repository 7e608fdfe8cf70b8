"""Reading an audience: a list of OpenIDs from a file, a stream or another program, exactly.

::

    source ──► blocks of whole lines ──► scan: OpenIDs + line numbers ──► sorted runs ──► merge
    (gzip, BOM, XLSX)  (encoding, header)        (malformed)              (duplicates)  (digest)

Memory is bounded by the size of a run and of a block, never by the length of the list: what does
not fit into one run goes to temporary files in ``TMPDIR`` (64 bytes a line) that vanish with the
audience. The exception is XLSX, which its library holds as a whole.

Every line that is neither blank nor the header is counted once: as malformed, as duplicate or as
planned. Nothing else about the lines is decided here, and nothing is stored.
"""
