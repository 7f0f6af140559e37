"""Files of the lake become visible: what is waiting, and who commits it.

    inbox.py      descriptors of files that are stored but in no snapshot yet
    append.py     the lean append: one snapshot more, with no library but our own
      terms.py, supported.py, matching.py   on what terms, on which tables, with which columns
      ledger.py, doubt.py, history.py       what is committed already
      expiry.py, leftovers.py               which snapshots go with it, and what that leaves
    catalog.py    what it needs of a catalog; lean.py puts it together for each
    understood.py metadata of another shape is a problem of its table
    format/       manifests, lists and metadata as bytes and values
    catalogs/     SQLite, Glue, REST, and any other through PyIceberg
    upkeep/       merging, cleaning, sweeping: for committers

`CommitTable` is all the rest of the house knows of a table.
"""
