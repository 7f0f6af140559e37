"""`make test-tools`: builds what tests run and do not build themselves.

One module for each kind of tool; `servers/built_tools.py` says what there is and where. This is
the only place below `tests/` that downloads or installs: `suite/test_nothing_is_installed.py`.
"""
