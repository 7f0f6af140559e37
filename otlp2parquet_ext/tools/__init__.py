"""The command `otlp2parquet-ext` and its subcommands, for users. They are not in the layer."""
