"""Files of the lake become visible: what is waiting, and who commits it.

    model/        values that all of it shares: data files, errors
    format/       manifests, lists and metadata as bytes and values
      schema_match.py                       with which columns of a table
      metadata_errors.py                    metadata of another shape is a problem of its table
    commit/       one snapshot more, with no library but our own
      inbox.py                              files that are stored but in no snapshot yet
      append.py                             the lean append
      terms.py, preconditions.py            on what terms, on which tables
      ledger.py, committed_lookup.py, history.py   what is committed already
      expiry.py, leftovers.py               which snapshots go with it, and what that leaves
      catalog.py                            what it needs of a catalog
    catalogs/     SQLite, Glue, REST, and any other through PyIceberg
    upkeep/       merging, cleaning, sweeping: for committers
    open_table.py puts a table together for each kind of catalog

`CommitTable` is all the rest of the house knows of a table.
"""
