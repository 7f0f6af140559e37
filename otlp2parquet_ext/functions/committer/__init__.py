"""The committer: makes visible what environments stored, and keeps the tables healthy.

    inbox --work--> snapshots --care--> few manifests, no leftovers

    function.py   the Lambda function: `otlp2parquet_ext.functions.committer.function.handler`
    runtime.py    the same where the layer is all there is of it
    events.py     what woke the function
    opening.py    settings --> the tables and their inboxes
    tables.py     all tables, in turn
    work.py       commit what waits for one
    care.py       merge its manifests, delete what expired, sweep
      sweeping.py, adopt.py

Any number may run, beside each other and beside environments that commit themselves: what makes it
exactly once is the table's own compare-and-swap and the names it remembers, no lock.
"""
