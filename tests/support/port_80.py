"""Lets port 80 of a network of its own do something, and runs a command there: `python port_80.py DOES COMMAND…`."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
import threading

_ANSWERS = {
    "redirects": b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "serves": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "hangs up": b"",
}
_SET_FLAGS, _UP = 0x8914, 0x1


def main(does: str, *command: str) -> int:
    """Return the command's status."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_one:
        fcntl.ioctl(any_one, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))
    if does != "closed":
        address = "127.0.0.2" if does == "elsewhere" else "127.0.0.1"
        listening = socket.create_server((address, 80))
        threading.Thread(target=_answer, args=(listening, _ANSWERS.get(does, b"")), daemon=True).start()
    return subprocess.run(command, check=False).returncode


def _answer(listening: socket.socket, what: bytes) -> None:
    while True:
        asking, _ = listening.accept()
        with asking:
            asking.recv(65536)
            asking.sendall(what)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
