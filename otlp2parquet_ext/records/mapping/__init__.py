"""Maps events to OTLP records and to columns: the meaning and the column of each value."""
