"""The options of commands whose work is in rooms that are slow to import.

These modules import nothing heavy until they run, so `--help` is fast; see `cli`.
"""
