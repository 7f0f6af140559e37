"""A PostgreSQL server for one test: in a temporary folder, on a free port, removed afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reserved_port import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = "/usr/lib/postgresql/*/bin"
START_S = 30
STOP_S = 10
UNPRIVILEGED = ("postgres", "nobody")
"""Whose server it is when root runs the tests: PostgreSQL refuses to be root's."""


@contextmanager
def running() -> Iterator[str]:
    """Start a server; give the URL of its database, for user `lake` without a password.

    Only a role called `guarded`, which a test may create, has to give its password.
    Skips the test when PostgreSQL is not installed.
    """
    programs = _programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if "user" in user:
            os.chown(folder, user["user"], user["group"])
        _make_database(programs, folder, user)
        with _server(programs, folder, user) as port:
            yield f"postgresql://lake@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs, the newest version's."""
    found = sorted(Path("/").glob(PLACES.lstrip("/")), key=lambda p: float(p.parent.name))
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    for folder in reversed(found):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip(f"no initdb and postgres in {PLACES} or on the PATH: as root, tests/prepare")


def _user() -> dict[str, Any]:
    """Return the user to be for PostgreSQL, as `subprocess` takes it."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            entry = known[name]
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip(f"PostgreSQL refuses to run as root, and there is no user {UNPRIVILEGED}")


def _make_database(programs: Path, folder: Path, user: dict[str, Any]) -> None:
    command = [f"{programs}/initdb", "--pgdata", f"{folder}/data", "--username", "lake"]
    options = ["--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [*command, *options], check=True, capture_output=True, cwd=folder, timeout=START_S, **user
    )
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")


@contextmanager
def _server(programs: Path, folder: Path, user: dict[str, Any]) -> Iterator[int]:
    port = ReservedPort()
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "200",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [f"{programs}/postgres", "-D", f"{folder}/data", "-p", str(port), *options]
    server = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **user,
    )
    try:
        _wait_until_ready(programs, port.number, server)
        yield port.number
    finally:
        server.send_signal(signal.SIGINT)  # "fast": open transactions are rolled back
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(STOP_S)


def _wait_until_ready(programs: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    ready = [f"{programs}/pg_isready", "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    end = time.monotonic() + START_S
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None, f"PostgreSQL ended with {server.returncode}"
        assert time.monotonic() < end, f"PostgreSQL was not ready after {START_S} s"
        time.sleep(0.05)
