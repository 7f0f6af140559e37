"""The tables' columns, each written down once: names, field ids, types, how Parquet stores them."""
