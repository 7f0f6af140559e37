"""The parts of `performance.py`.

stage       the built layer at /opt; envelopes: limits; processes: starts subjects
lambda_api  a minimal Lambda; deliver: its deliveries; sink: a server for forwarded telemetry
PARTS       start, memory, receiver, whole_way, added, flushes, weight: each measures one thing,
            in a process of its own, and returns a dictionary
budgets     figures against design's numbers; page: Markdown and pictures
"""
