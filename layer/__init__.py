"""Builds the Lambda layer: `python -m layer` (or `make layer`), described in docs/layer.md."""
