"""A real browser: Chromium without a window, driven through its own protocol (DevTools).

with chromium() as browser:
    page = browser.open(file.as_uri(), width=1280, height=900)
    page.value("document.title")

The log of the page, its network requests and the errors of its script are remembered.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium: as root, tests/prepare"
)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
    *("--force-device-scale-factor=1", "--remote-debugging-port=0", "about:blank"),
)
START_S, ANSWER_S = 60.0, 30.0
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), " ": (32, " "), "/": (191, "/")}


class PageError(AssertionError):
    """The browser refuses a command, or a script threw."""


class Page:
    """One page, with a clean slate of its own.

    Attributes:
        messages: what was written to the console, or thrown.
        requests: addresses the page asked for, its own among them.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._loop, self._socket = loop, socket
        self._numbers = itertools.count(1)
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        return self._loop.run_until_complete(
            asyncio.wait_for(self._do(method, parameters), ANSWER_S)
        )

    async def _do(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = await self._heard()
            if said.get("id") == number:
                if "error" in said:
                    raise PageError(f"{method}: {said['error']}")
                result: dict[str, Any] = said["result"]
                return result

    async def _heard(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self._socket.receive_str())
        method, about = said.get("method", ""), said.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(json.dumps(about["args"]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(about["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.messages.append(about["entry"]["text"])
        return said

    def load(self, url: str) -> None:
        """Go to an address and wait until everything of it is there."""
        self._events.clear()
        self.do("Page.navigate", url=url)
        self._loop.run_until_complete(asyncio.wait_for(self._until_loaded(), ANSWER_S))

    async def _until_loaded(self) -> None:
        while "Page.loadEventFired" not in self._events:
            await self._heard()

    def value(self, script: str) -> Any:
        """Return what a JavaScript expression is worth, as plain values."""
        found = self.do(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise PageError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key, as a person does."""
        code, text = KEYS[key]
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.do("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        self.do("Input.dispatchKeyEvent", type="keyUp", **shared)

    def write(self, text: str) -> None:
        """Type a text into the focused element."""
        self.do("Input.insertText", text=text)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels; a narrow one is a phone's."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height,
                deviceScaleFactor=1, mobile=width < 600)  # fmt: skip

    def prefer(self, scheme: str) -> None:
        """Let the system be `light` or `dark`; nothing moves by itself."""
        self.do("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ])  # fmt: skip

    def picture(self, *, whole: bool = False) -> bytes:
        """Return a PNG of what is seen, or of the whole page."""
        found = self.do("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


class Browser:
    """A running Chromium; see `chromium`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str) -> None:
        self._loop, self._address = loop, address
        self._session: aiohttp.ClientSession | None = None

    def open(
        self, url: str, width: int = 1280, height: int = 900, scheme: str = "light",
        *, scripts: bool = True,
    ) -> Page:  # fmt: skip
        """Open an address in a page of its own."""
        page = Page(self._loop, self._loop.run_until_complete(self._connect()))
        for room in ("Page", "Runtime", "Network", "Log"):
            page.do(f"{room}.enable")
        page.do("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.resize(width, height)
        page.prefer(scheme)
        page.load(url)
        return page

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        self._session = self._session or aiohttp.ClientSession()
        async with self._session.put(f"{self._address}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        return await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)

    def close(self) -> None:
        """Close every page."""
        if self._session is not None:
            self._loop.run_until_complete(self._session.close())


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser without a window, with a temporary profile."""
    assert PROGRAM is not None
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [PROGRAM, f"--user-data-dir={profile}", *OPTIONS],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        browser = None
        try:
            browser = Browser(loop, f"http://127.0.0.1:{_port(Path(profile), process)}")
            yield browser
        finally:
            if browser is not None:
                browser.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            loop.close()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait until the browser has written its port."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int((profile / "DevToolsActivePort").read_text().splitlines()[0])
        time.sleep(0.05)
    raise PageError(f"{PROGRAM} does not listen (status {process.poll()})")
