"""What people run: the command `otlp2parquet-ext` and its subcommands. The layer lacks them."""
