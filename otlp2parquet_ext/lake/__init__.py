"""Where telemetry goes: destinations, object storage, HTTP, and Iceberg tables."""
