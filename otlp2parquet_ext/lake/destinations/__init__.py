"""Where batches go: one small interface, one module for each kind of destination.

    Batch --store()--> durable --commit()--> visible

*Stored* and *committed* are never confused: after `store` the batch outlives this environment
and its segment may be discarded; after `commit` readers see it. Destinations without a commit of
their own are visible as soon as they are stored.

    choose.py     URLs --> a destination
    group.py      all of them: each batch to each one
    hive.py       `file:///…`: plain Parquet in folders by service and hour
    namespace.py  `sqlite:///…`: the Iceberg tables of a namespace
      lake.py     one of them, partitioned by day
    forwarder.py  `https://…` (data_tap.py), `otlp+https://…` (otlp_http.py): sent on, not kept
"""
