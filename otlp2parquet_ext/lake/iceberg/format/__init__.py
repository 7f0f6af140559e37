"""Iceberg's files and metadata as bytes and values: pure, but for what reads them by address.

avro*.py              Avro, as much of it as manifests need
manifest*.py          manifests and manifest lists; merged_manifest.py: many into one
contents.py           what snapshots refer to
snapshot.py, new_table.py   a table's metadata, before and after a commit
bounds.py             what readers prune a file by
"""
