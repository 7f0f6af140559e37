"""Lambda functions of our own: the committer and the ingest function."""
