"""
From a bucket's notifications to HTTP, with minio's client in a thread.

Its own iterator reads a byte at a time and gets to 300 events a second, so the lines are cut here.
"""

from __future__ import annotations

import json

from minio import Minio

from benchmarks.relays.relay import Watcher, in_thread, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the store's port, the bucket, and the two keys.
    """
    port, bucket, user, password = arguments
    client = Minio(f"127.0.0.1:{port}", user, password, secure=False, region="us-east-1")

    def listen() -> None:
        query = {"prefix": "", "suffix": "", "events": "s3:ObjectCreated:Put"}
        answer = client._url_open("GET", "us-east-1", bucket, query_params=query, preload_content=False)
        rest = b""
        while piece := answer.read1(65_536):
            *lines, rest = (rest + piece).split(b"\n")
            for line in filter(bytes.strip, lines):
                for record in json.loads(line)["Records"]:
                    watcher.hand_over(json.dumps(record).encode())

    in_thread(listen)
    say_ready()
    await watcher.dispatch_handed_over("artifact")


if __name__ == "__main__":
    main(relay)
