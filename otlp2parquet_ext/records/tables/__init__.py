"""The columns of all tables, each defined once: names, field ids, types, Parquet encodings.

columns.py    the definition of a column; makes an Arrow schema from columns
shared.py     columns of several tables
logs.py, traces.py, metrics.py
registry.py   all tables by name
"""
