"""The Extensions API as values: requests, answers, events, and their legal order (no I/O).

calls.py    what we ask Lambda, and how its answers are read; loaded before the first `next`
events.py   what Lambda tells us; loaded after it
session.py  which phase, which invocation, what of it we have heard
"""
