"""The check: try each destination step by step, before a function depends on it.

    settings --> plans.py: a list of trials --> runner.py: a verdict for each --> render.py

    setting_sources.py  each setting, and the variable that it comes from
    identity.py     the source of the credentials, and their AWS identity
    files.py        a tiny object: write, write once, read, list, delete
    catalog.py      tables: existence, columns, and a test of a commit
    collector.py    OTLP: a request without records, for each signal
    data_tap.py     a Data Tap: its token, the server
      jwt.py        the expiry of a token
      server.py     the remedy for a server's refusal or silence
    remedies.py     the remedy for a failure: a setting, or IAM statements
      policies.py   the least-privilege policies, the same as in docs/iam
    at_start.py     the same check in the layer, with OTLP2PARQUET_CHECK=1

The check leaves no object and no snapshot behind. Each kind of destination has a function in
`KINDS`.
"""

from __future__ import annotations
