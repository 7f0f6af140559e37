"""The Extensions API as values: requests, answers, events, and their legal order (no I/O).

calls.py    our requests to Lambda, and the parser of its answers; loaded before the first `next`
events.py   events that Lambda sends; loaded after the first `next`
session.py  the current invocation, and whether its end was reported
"""
