"""The tables' columns, each written down once: names, field ids, types, how Parquet stores them.

columns.py    what a column is; how columns become an Arrow schema
shared.py     columns that several tables have
logs.py, traces.py, metrics.py
registry.py   all tables by name
"""
