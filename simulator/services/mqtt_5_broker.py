"""
The MQTT 5 broker as a process of its own: rumqttd from iotcore's wheel, and a port that tells who listens to what.

Run as a script with the path of rumqttd's configuration; imports nothing of ours. rumqttd listens where it likes (port
0), but tells nobody where that is, and its console prints what it is asked instead of answering. So this looks at the
sockets that the process has opened, and reads what it prints. On the port of its own it answers one JSON value for each
line: `subscriptions` (topic filter to client ids), or `idle` (whether nothing is left to be sent to anybody).
"""

from __future__ import annotations

import ast
import json
import logging
import os
import socket
import stat
import sys
import threading
import time
from importlib.metadata import version
from urllib.request import urlopen

_LOOPBACK = "127.0.0.1"
_DESCRIPTORS = 256
_LIMIT_S = 10.0
_LISTENERS = 2
"""Of MQTT, and of the console."""


class Console:
    """
    Asks rumqttd's console, and reads the answer from what the process prints.
    """

    def __init__(self, port: int, printed: int) -> None:
        self._url = f"http://{_LOOPBACK}:{port}"
        self._lines = os.fdopen(printed, encoding="utf-8", errors="replace")

    def ask(self, what: str) -> str:
        """
        What it prints: a value as Rust shows it, which begins and ends at the left edge.
        """
        urlopen(f"{self._url}/{what}", timeout=_LIMIT_S).close()
        text = self._lines.readline()
        if text.strip() in ("{", "["):
            while not text.endswith(("\n}\n", "\n]\n")):
                text += self._lines.readline()
        return text

    def answer(self, question: str) -> object:
        """
        The answer to one line.
        """
        if question == "subscriptions":
            return {topic: sorted(clients) for topic, clients in ast.literal_eval(self.ask("subscriptions")).items()}
        return self.ask("readyqueue").strip() == "[]"


def main(configuration: str) -> None:
    """
    Run the broker until the process is ended.
    """
    from iotcore.iotcore import IotCoreBroker  # noqa: PLC0415 - what is missing is said by whoever starts this

    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it calls every packet an error
    logging.getLogger("tracing").setLevel(logging.CRITICAL)
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    printed, printing = os.pipe()
    os.dup2(printing, 1)
    broker = IotCoreBroker(config_path=configuration)
    threading.Thread(target=broker.run_forever, daemon=True).start()
    port, console_port = _ports()
    console = Console(console_port, printed)
    console.ask("readyqueue")
    with socket.create_server((_LOOPBACK, 0)) as answering:
        own = answering.getsockname()[1]
        print(f"iotcore {version('iotcore')} listens on {port}, and answers on {own}", file=said, flush=True)
        while True:
            connection, _ = answering.accept()
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                for line in stream:
                    stream.write(json.dumps(console.answer(line.strip())) + "\n")
                    stream.flush()


def _ports() -> tuple[int, int]:
    """
    Where MQTT and the console listen.
    """
    deadline = time.monotonic() + _LIMIT_S
    while len(ports := _listening()) < _LISTENERS:
        if time.monotonic() > deadline:
            raise TimeoutError("rumqttd does not listen")
        time.sleep(0.002)  # real time: nothing tells when rumqttd has opened its sockets
    first, second = ports
    return (second, first) if _speaks_http(first) else (first, second)


def _listening() -> list[int]:
    found = []
    for descriptor in range(3, _DESCRIPTORS):
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            opened = socket.socket(fileno=descriptor)
        except OSError:
            continue  # nothing is open there, or not any more
        if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.append(opened.getsockname()[1])
        opened.detach()
    return found


def _speaks_http(port: int) -> bool:
    with socket.create_connection((_LOOPBACK, port), timeout=_LIMIT_S) as connection:
        # As MQTT this is a packet of 69 bytes, which is there as a whole, and no CONNECT.
        connection.sendall(b"GET / HTTP/1.0\r\nX-Filling: " + b"x" * 80 + b"\r\n\r\n")
        try:
            return connection.recv(4) == b"HTTP"
        except ConnectionError:
            return False


if __name__ == "__main__":
    main(sys.argv[1])
