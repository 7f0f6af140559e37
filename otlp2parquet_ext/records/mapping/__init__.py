"""Events → OTLP log records → columns: what each value means and where it goes."""
