"""Telemetry API bodies, and the facts we note ourselves, as typed values."""
