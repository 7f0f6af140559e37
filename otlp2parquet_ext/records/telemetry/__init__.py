"""Bodies of the Telemetry API, and our own notes, as typed values."""
