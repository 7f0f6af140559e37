"""The fault matrix: scenario x strategy x destination, with real processes, every event counted.

    table.py --Scenario--> runner.py --Outcome--> accounting.py --Books--> report.py --> the docs
                              |
                              +--> targets.py: a fresh destination behind a proxy that can fail

`make test-faults` runs it all; `test_matrix.py` runs a representative few with the other tests.
`docs/reliability.md` says what the scenarios are and what the columns mean.
"""
