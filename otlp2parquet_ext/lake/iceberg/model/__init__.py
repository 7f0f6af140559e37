"""Values that all of the Iceberg code shares. Nothing here imports another module of it."""
