"""Code that every room may use: the log, settings, secrets, retries, and the limits of a hold."""
