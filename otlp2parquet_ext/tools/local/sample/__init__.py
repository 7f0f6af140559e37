"""A sample function for tries: `--code <this folder> --handler app.handler`."""
