"""An order desk: the sample function behind `otlp2parquet-ext demo`. Edit it and run it again.

It logs as functions do: text lines with levels, one JSON line, a warning now and then, an exception
with its traceback for every tenth order, and it is slow for a few orders.
"""

from __future__ import annotations

import json
import logging
import random
import time

logger = logging.getLogger()
logger.setLevel(logging.INFO)
seen = 0  # orders since the cold start: a module's variables live as long as its environment


class PaymentDeclinedError(Exception):
    """The pretended bank said no."""


def handler(event: dict[str, object], context: object) -> dict[str, object]:
    """Take one order: {"order": 7, "items": 3}; both keys are optional."""
    global seen  # noqa: PLW0603 (the point of the sample: it survives between invocations)
    seen += 1
    if seen == 1:
        logger.info("cold start of %s", getattr(context, "function_name", "?"))
    order = int(str(event.get("order", seen)))
    items = int(str(event.get("items", 1 + order % 5)))
    logger.info("order %d with %d items", order, items)
    time.sleep(random.Random(order).expovariate(1 / 0.01))  # noqa: S311 (no secret: a pretended wait)
    if items == 5:
        logger.warning("order %d empties the shelf", order)
    try:
        charge(order, items)
    except PaymentDeclinedError:
        logger.exception("order %d could not be charged", order)
        return {"order": order, "status": "declined"}
    print(json.dumps({"level": "INFO", "message": "charged", "order": order, "items": items}))
    return {"order": order, "status": "accepted"}


def charge(order: int, items: int) -> None:
    """Charge an order; every tenth is declined."""
    if order % 10 == 0:
        raise PaymentDeclinedError(f"card of order {order} declined for {items * 9.5:.2f} EUR")
