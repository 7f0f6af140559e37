"""AWS Lambda extension that writes a function's telemetry to Parquet and Iceberg tables."""

__version__ = "0.1.0"
