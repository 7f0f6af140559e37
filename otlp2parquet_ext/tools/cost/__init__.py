"""What a function's telemetry costs in the lake, and what it would cost in CloudWatch Logs.

    Workload + Settings --volumes()--> Volumes --bill()--> lines, each with its price and its source

    workload.py   what the function does: invocations, events, environments; checked
    requests.py   how many requests each act takes at each kind of destination: counted, not guessed
    volumes.py    files, commits, requests and bytes a day, from the rules of `flushing`
    prices.py     list prices: what for, in what unit, on which page, how far checked
    bill.py       volumes at prices
    report.py     the bill as text and as JSON
    command.py    `otlp2parquet-ext cost`

Everything but the command is arithmetic: no I/O, no clock.
"""
