"""A port for a program of a test: chosen by the kernel, and given to no other program meanwhile.

    port = ReservedPort()           the kernel gives it to no other socket
    start(f"--port={port}")         the program can still listen on it

Asking for a free port and closing the socket is a race: by the time the program listens, the
kernel may have given the port to another worker. So the socket stays, bound and not listening. A
program that sets SO_REUSEADDR, as all servers do, may bind and listen beside it; the kernel never
chooses the port for a `bind` to 0 or for an outgoing connection.

Source: socket(7), SO_REUSEADDR; ip(7), ip_local_port_range.
"""

from __future__ import annotations

import os
import socket
import weakref


class ReservedPort:
    """A port that is reserved for as long as this object lives: keep it in a variable.

    Attributes:
        number: of the port; the object's text, too.
    """

    def __init__(self) -> None:
        """Reserve a port on every address of this machine."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        self.number: int = holder.getsockname()[1]
        weakref.finalize(self, os.close, holder.detach())

    def __str__(self) -> str:
        """Return the number, for a variable or an option of a program."""
        return str(self.number)
