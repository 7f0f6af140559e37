"""Commands whose work is done in rooms that are slow to import: here are their options.

A module here imports nothing heavy until it runs, so that `--help` is fast; see `cli`.
"""
