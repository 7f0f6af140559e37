"""The destinations of batches: one small interface, and one module for each kind of destination.

    Batch --store()--> durable --commit()--> visible

*Stored* and *committed* are never confused: after `store` the batch outlives this environment
and its segment may be discarded; after `commit` readers see it. In a destination without commits,
readers see a batch as soon as it is stored.

    choose.py     URLs --> a destination
    group.py      all destinations as one: each batch goes to each of them
    hive.py       `file:///…`: plain Parquet in folders by service and hour
    namespace.py  `sqlite:///…`: the Iceberg tables of a namespace
      lake.py     one table, partitioned by day
    forwarder.py  `https://…` (data_tap.py), `otlp+https://…` (otlp_http.py): POSTed to a server
"""
