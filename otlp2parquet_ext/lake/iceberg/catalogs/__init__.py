"""Catalogs, each behind `commit.catalog.Catalog`.

file_catalog.py       catalogs that hold only the location of the metadata:
sqlite_catalog.py, glue_catalog.py (glue_requests.py), dynamodb_pointer.py
rest_catalog.py       Iceberg's REST protocol: rest_client.py, rest_requests.py, rest_answers.py,
bearer.py and signing.py (authentication), vended.py (credentials for files)
pyiceberg_*.py        any catalog of PyIceberg; deadline_executor.py: calls of it with a deadline
outcomes.py, remedies.py   the meaning of a refusal, and its remedy
"""
