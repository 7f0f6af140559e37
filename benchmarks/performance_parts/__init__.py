"""The parts of `performance.py`.

stage       the built layer at /opt; envelopes: limits; processes: what is measured, started
lambda_api  a Lambda of a few lines; deliver: its deliveries; sink: where things are forwarded to
PARTS       start, memory, receiver, whole_way, added, flushes, weight: each measures one thing,
            in a process of its own, and returns a dictionary
budgets     figures against design's numbers; page: Markdown and pictures
"""
