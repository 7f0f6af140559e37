"""Catalogs, each behind `commit.catalog.Catalog`.

file_catalog.py       those that hold no more than where the metadata lies:
sqlite_catalog.py, glue_catalog.py (glue_requests.py), dynamodb_pointer.py
rest_catalog.py       Iceberg's REST protocol: rest_client.py, rest_requests.py, rest_answers.py,
bearer.py and signing.py (who we are), vended.py (credentials for files)
pyiceberg_*.py        any catalog PyIceberg knows; deadline_executor.py: bounded waits for it
outcomes.py, remedies.py   what a refusal means, and what would help
"""
