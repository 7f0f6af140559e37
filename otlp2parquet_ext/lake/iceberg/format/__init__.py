"""Iceberg's files and metadata as bytes and values. Pure, except for functions with a storage.

avro*.py              the part of Avro that manifests need
manifest*.py          manifests and manifest lists; merged_manifest.py: many into one
contents.py           the files that snapshots refer to
snapshot.py, new_table.py   a table's metadata, before and after a commit
bounds.py             the statistics with which readers skip a file
"""
