"""The care of a table over time, for committers: never on the flush path.

merging.py (merge.py)    many small manifests become few
cleaning.py (notes.py)   what only expired snapshots referred to is deleted
sweep.py                 files nothing refers to
care.py                  columns a table lacks, through PyIceberg
"""
