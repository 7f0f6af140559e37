"""The process beside the function: it registers, receives telemetry and asks for `next`.

bootstrap.py      the sockets and requests before anything heavy is imported
import_phase.py   what is imported after the first `next`, and when
agent.py          the event loop
lifecycle/        which API call is legal in which phase
receive/          HTTP: admission, deliveries, OTLP
"""
