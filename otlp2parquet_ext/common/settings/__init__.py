"""Every variable once: name, default, unit, range, sentence.

    environment --load()--> Settings + problems (one line each)

    setting.py   what a variable is
    table.py     all of them; those of the destination: lake.py
    seeds.py     variables of the two systems whose users come here; imported where one is set

A bad value never fails the function: it is reported and the default is used instead.
Runs before the first `next`, so it imports nothing, not even `typing` (see decision 0001).
"""
