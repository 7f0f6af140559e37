"""Maintenance of a table, for committers: never on the flush path.

merging.py (merge.py)    many small manifests become few
cleaning.py (notes.py)   deletes files that only expired snapshots referred to
sweep.py                 finds files without a reference
care.py                  adds missing columns, through PyIceberg
"""
