"""Computes the cost of a function's telemetry in the lake, and in CloudWatch Logs.

    Workload + Settings --volumes()--> Volumes --bill()--> lines, each with its price and source

    workload.py   the function's load: invocations, events, environments; validated
    requests.py   number of requests of each operation, by kind of destination; measured
    volumes.py    files, commits, requests and bytes a day, from the rules of `flushing`
    prices.py     list prices: item, unit, page, and how they were checked
    bill.py       multiplies volumes by prices
    report.py     the bill as text and as JSON
    command.py    `otlp2parquet-ext cost`

Everything but the command is arithmetic: no I/O, no clock.
"""
