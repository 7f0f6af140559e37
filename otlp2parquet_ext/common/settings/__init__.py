"""Every variable once: name, default, unit, range, sentence.

    environment --load()--> Settings + problems (one line each)

    setting.py   the definition of a variable
    table.py     all variables; lake.py has those of the destination
    seeds.py     variables of the two systems from which users migrate; imported if one is set

A bad value never fails the function: it is reported, and the default is used instead. The package
runs before the first `next`, so it imports nothing, not even `typing` (see decision 0001).
"""
