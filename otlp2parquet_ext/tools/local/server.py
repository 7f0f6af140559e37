"""The HTTP server of one generation's APIs, and the folder that is the environment's /tmp."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from otlp2parquet_ext.tools.local.extensions_api import LocalExtensionsApi
from otlp2parquet_ext.tools.local.runtime_api import LocalRuntimeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from otlp2parquet_ext.tools.local.parties import Parties
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.subscription import Subscription

_GOODBYE_S = 0.1


@asynccontextmanager
async def served(
    plan: Plan, parties: Parties, subscribe: Callable[[str, Subscription], None]
) -> AsyncIterator[str]:
    """Serve the APIs on loopback; yield `host:port`, the value of AWS_LAMBDA_RUNTIME_API.

    Each generation has its own server. A killed process may have sent a request that is not read
    yet. A shared server would treat it as a request of the next generation; here it ends with its
    server.
    """
    # The Runtime API itself limits responses, not the server.
    app = web.Application(client_max_size=0)
    app.add_routes(LocalRuntimeApi(parties).routes())
    app.add_routes(LocalExtensionsApi(plan, parties, subscribe).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


@contextmanager
def temporary_folder(plan: Plan) -> Iterator[Path]:
    """Yield the environment's /tmp: the plan's, or a new one, which may be removed at the end."""
    if plan.tmp:
        plan.tmp.mkdir(parents=True, exist_ok=True)
        yield plan.tmp.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="lambda-tmp-"))
    try:
        yield folder
    finally:
        if not plan.keep_tmp:
            shutil.rmtree(folder, ignore_errors=True)
