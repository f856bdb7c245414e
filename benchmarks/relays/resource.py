"""
From a watch of a Kubernetes cluster to HTTP, with the kubernetes package's watch in a thread.
"""

from __future__ import annotations

import json

from kubernetes import client, watch

from benchmarks.relays.relay import Watcher, in_thread, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the API server's URL and the namespace.
    """
    url, namespace = arguments
    settings = client.Configuration(host=url)
    api = client.CoreV1Api(client.ApiClient(settings))

    def follow() -> None:
        since = api.list_namespaced_config_map(namespace).metadata.resource_version
        say_ready()
        found = watch.Watch().stream(api.list_namespaced_config_map, namespace, resource_version=since)
        for event in found:
            watcher.hand_over(json.dumps(event["raw_object"]).encode())

    in_thread(follow)
    await watcher.dispatch_handed_over("resource")


if __name__ == "__main__":
    main(relay)
