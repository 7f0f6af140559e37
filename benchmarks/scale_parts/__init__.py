"""The parts of the scale benchmark.

rim.py      latency and counting between our code and disk and catalog
plan.py     one run as values
lakes.py    the lakes of a fleet: a disk with latency, or real servers behind proxies
forks.py    forked children: killed at random, started again
fleet.py    writers, committers and a watcher
readback.py reads the table at the end, with engines that did not write it figures.py logs of
processes --> figures of a run growth.py one table, committed to thousands of times svg.py lines in
a picture page.py figures --> docs/scale.md
"""
