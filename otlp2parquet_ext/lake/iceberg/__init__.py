"""Commits: stored files become visible in Iceberg tables.

    model/        values that all these modules share: data files, errors
    format/       manifests, lists and metadata as bytes and values
      schema_match.py                       our columns and the columns of a table
      metadata_errors.py                    malformed metadata becomes an error of its table
    commit/       one more snapshot, without a library
      inbox.py                              files that are stored but in no snapshot yet
      append.py                             the lean append
      terms.py, preconditions.py            settings of a commit, and tables it refuses
      ledger.py, committed_lookup.py, history.py   files that are already committed
      expiry.py, leftovers.py               expired snapshots, and the files they leave behind
      catalog.py                            the interface of a catalog
    catalogs/     SQLite, Glue, REST, and any other through PyIceberg
    upkeep/       merging, cleaning, sweeping: for committers
    open_table.py assembles a table for each kind of catalog

All other packages use only the interface `CommitTable`.
"""
