"""The committer: commits the files that environments stored, and maintains the tables.

    inbox --work--> snapshots --care--> few manifests, no leftovers

    function.py   the Lambda function: `otlp2parquet_ext.functions.committer.function.handler`
    runtime.py    the same function without a package, from the layer alone
    events.py     the event that invoked the function
    opening.py    settings --> the tables and their inboxes
    tables.py     all tables, in turn
    work.py       commit the waiting files of one table
    care.py       merge its manifests, delete expired files, sweep
      sweeping.py, adopt.py

Any number of committers may run at the same time, also with environments that commit themselves. No
lock is needed: the table's compare-and-swap and its ledger of names make each file visible exactly
once.
"""
