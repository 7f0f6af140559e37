"""Destinations tried step by step, before a function depends on it.

    settings --> plans.py: a list of trials --> runner.py: a verdict for each --> render.py

    setting_sources.py  each setting, and which variable said it
    identity.py     whose credentials, from where
    files.py        a tiny object: written, written once, read, listed, taken away again
    catalog.py      tables: there? do our columns fit? would a commit be taken?
    collector.py    OTLP: a request without records, for each signal
    data_tap.py     a Data Tap: its token, the server
      jwt.py        when a token expires
      server.py     what mends a server's refusal or silence
    remedies.py     what would mend a failure: a setting, or statements of IAM
      policies.py   the least-privilege policies, the same as in docs/iam
    at_start.py     the same in the layer, where OTLP2PARQUET_CHECK=1 asks for it

Nothing is left behind: no object, no snapshot. A kind of destination is a function in `KINDS`.
"""

from __future__ import annotations
