"""A function to try things with: `--code <this folder> --handler app.handler`."""
