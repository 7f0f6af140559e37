"""`make test-tools`: builds the tools that tests use and may not build themselves.

One module for each kind of tool; `servers/built_tools.py` says what there is and where. This is
the only place below `tests/` that downloads or installs: `suite/test_nothing_is_installed.py`.
"""
