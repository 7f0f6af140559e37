"""The process beside the function: it registers, receives telemetry and asks for `next`.

bootstrap.py      opens sockets and registers before any heavy import
import_phase.py   imports the agent after the first `next`, and answers events meanwhile
agent.py          the event loop
lifecycle/        which API call is legal in which phase
receive/          HTTP: admission, deliveries, OTLP
"""
