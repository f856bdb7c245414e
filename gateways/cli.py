"""
`gatesim gateway run`: one gateway from its manifests, by itself, until a signal ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateways.addresses import Cluster, DirectAddresses
from gateways.chance import Chance
from gateways.clock import SystemClock
from gateways.configmap import FileSource
from gateways.errors import ConfigurationError, ManifestError, SourceUnavailable
from gateways.gateway_spec import DEFAULT_NAMESPACE, GatewaySpec, load_manifests
from gateways.limits import Limits
from gateways.log_lines import FORMATS, LEVELS, log_to
from gateways.redaction import Redactor
from gateways.secrets import FileSecrets
from gateways.suggestion import did_you_mean
from gateways.watcher_addresses import parse_address, parse_watcher, reached_at, watchers_in

if TYPE_CHECKING:
    from gateways.cluster import ApiServer
    from gateways.cluster_gateway import InCluster
    from gateways.gateway import Gateway

EXIT_UNREACHABLE, EXIT_USAGE = 1, 4
_PORTS = range(65536)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's own commands and their arguments.
    """
    commands = parser.add_subparsers(dest="gateway_command", required=True, metavar="COMMAND")
    text = "run one gateway, from its manifests or from its cluster, until a signal ends it"
    run = commands.add_parser("run", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add = run.add_argument
    add(
        "-f",
        "--file",
        dest="files",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="a file with Gateway, ConfigMap and Secret manifests, or the folder of a mounted ConfigMap; repeatable",
    )
    add(
        "--in-cluster",
        action="store_true",
        help="this is a pod: take the Gateway and what it names from its cluster",
    )
    add(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="the same from outside a cluster; beside -f: how the cluster of a resource gateway is reached",
    )
    add("--namespace", default="", metavar="NAME", help="of a Gateway in a cluster; default: the pod's, the context's")
    add("--name", default="", help="the Gateway to run, where there are several")
    add("--watcher", action="append", default=[], metavar="NAME=URL", help="where a watcher is reached; repeatable")
    add("--watchers", type=Path, metavar="FILE", help="the same as a YAML file, a mapping of names to URLs")
    add(
        "--address",
        action="append",
        default=[],
        metavar="HOST:PORT=HOST:PORT",
        help="where an address that a configuration names really is; repeatable",
    )
    add("--bind", default="0.0.0.0", metavar="HOST", help="the interface to listen on; default 0.0.0.0")
    add(
        "--control-port",
        metavar="PORT",
        help="status, health and metrics; 0 for any free port; default: what the manifest says, else none",
    )
    add("--log-level", default="info", choices=LEVELS, help="default info")
    add("--log-format", default="text", choices=FORMATS, help="default text")


def main(arguments: argparse.Namespace) -> int:
    """
    Run the gateway.

    Returns:
        The exit code: 0 after a graceful stop, 1 where it died or its cluster cannot be reached, 2 where it was ended
        at once, 4 for a wrong file or option.
    """
    redacted = Redactor()
    try:
        _check_where_from(arguments)
        if not arguments.files:
            log_to(sys.stderr, level=arguments.log_level, form=arguments.log_format, redacted=redacted)
            return _run_in_cluster(arguments, redacted)
        spec, addresses = _read(arguments)
        files = [path for path in arguments.files if not path.is_dir()]
        secrets = FileSecrets(files, spec.namespace)
        redacted = Redactor(value for values in secrets.values().values() for value in values.values())
        log_to(sys.stderr, level=arguments.log_level, form=arguments.log_format, redacted=redacted)
        return _run(spec, addresses, arguments.files, secrets)
    except ManifestError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"{redacted(line)}\n")
        return EXIT_USAGE
    except SourceUnavailable as error:
        sys.stderr.write(f"the Gateway cannot be read: {redacted(str(error))}\n")
        return EXIT_UNREACHABLE


def _check_where_from(arguments: argparse.Namespace) -> None:
    """
    Refuse options that leave open where the Gateway is, or say it twice.
    """
    if arguments.in_cluster and (arguments.files or arguments.kubeconfig is not None):
        other = "-f" if arguments.files else "--kubeconfig"
        raise ManifestError([f"--in-cluster and {other} both say where the Gateway is: leave one out"])
    if not (arguments.files or arguments.in_cluster or arguments.kubeconfig is not None):
        raise ManifestError(["no Gateway is given: write -f MANIFEST, --in-cluster or --kubeconfig FILE"])
    if arguments.namespace and arguments.files:
        raise ManifestError(["--namespace is for a Gateway in a cluster; in a manifest `metadata.namespace` says it"])


def _read(arguments: argparse.Namespace) -> tuple[GatewaySpec, DirectAddresses]:
    """
    Everything that the arguments say.

    Raises:
        ManifestError: Something in a file or an option must change.
    """
    return _as_told(_named(load_manifests(arguments.files).gateways, arguments.name), arguments)


def _as_told(spec: GatewaySpec, arguments: argparse.Namespace) -> tuple[GatewaySpec, DirectAddresses]:
    """
    *spec* as the options change it, and where addresses lead.
    """
    urls: dict[str, str] = watchers_in(arguments.watchers) if arguments.watchers is not None else {}
    urls |= dict(parse_watcher(text) for text in arguments.watcher)
    spec = replace(spec, watchers=reached_at(spec.watchers, urls))
    if arguments.control_port is not None:
        spec = replace(spec, control_port=_port(arguments.control_port))
    overrides = dict(parse_address(text) for text in arguments.address)
    return spec, DirectAddresses(bind=arguments.bind, overrides=overrides, cluster=_cluster(arguments))


def _cluster(arguments: argparse.Namespace) -> Cluster:
    kubeconfig = str(arguments.kubeconfig) if arguments.kubeconfig is not None else ""
    return Cluster(kubeconfig=kubeconfig, in_cluster=arguments.in_cluster)


def _named(specs: tuple[GatewaySpec, ...], name: str) -> GatewaySpec:
    by_name: Mapping[str, GatewaySpec] = {spec.name: spec for spec in specs}
    if not name and len(specs) == 1:
        return specs[0]
    if name in by_name:
        return by_name[name]
    known = ", ".join(by_name)
    if name:
        raise ManifestError([f"--name {name}: no Gateway is called so{did_you_mean(name, by_name)}; there are {known}"])
    raise ManifestError([f"the manifests hold several Gateways; choose one by --name: {known}"])


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) in _PORTS):
        raise ManifestError([f"--control-port {text}: write a port from 0 to 65535, 0 for any free one"])
    return int(text)


def _run(spec: GatewaySpec, addresses: DirectAddresses, paths: list[Path], secrets: FileSecrets) -> int:
    from gateways.gateway import Gateway  # noqa: PLC0415 - not for arguments that are wrong
    from gateways.standalone import run_until_signalled  # noqa: PLC0415 - as above

    clock = SystemClock()
    files = [path for path in paths if not path.is_dir()]
    has_transformer = spec.transformer_port is not None

    async def make() -> tuple[Gateway, None]:
        gateway = Gateway(
            spec,
            FileSource(paths, spec.config_map, clock),
            clock=clock,
            addresses=addresses,
            chance=Chance(),
            secrets=secrets,
            transformer_source=FileSource(files, spec.transformer_config_map, clock) if has_transformer else None,
        )
        return gateway, None

    return run_until_signalled(make, spec)


def _run_in_cluster(arguments: argparse.Namespace, redacted: Redactor) -> int:
    from gateways.cluster_gateway import InCluster  # noqa: PLC0415 - not for a gateway of files
    from gateways.gateway import Gateway  # noqa: PLC0415 - as above
    from gateways.standalone import run_until_signalled  # noqa: PLC0415 - as above

    clock = SystemClock()
    spec, addresses = _as_told(asyncio.run(_read_from_cluster(arguments, clock)), arguments)

    async def make() -> tuple[Gateway, InCluster]:
        chance = Chance()
        server = await _connected(arguments, clock)
        side = InCluster(server, spec, clock=clock, chance=chance, learned=redacted.learn)
        try:
            gateway = Gateway(
                spec,
                side.source,
                clock=clock,
                addresses=addresses,
                chance=chance,
                secrets=side.secrets,
                transformer_source=side.transformer_source,
            )
        except ManifestError:
            await side.abort()
            raise
        return gateway, side

    return run_until_signalled(make, spec)


async def _read_from_cluster(arguments: argparse.Namespace, clock: SystemClock) -> GatewaySpec:
    from gateways.cluster_gateway import read_spec_of  # noqa: PLC0415 - not for a gateway of files

    server = await _connected(arguments, clock)
    try:
        namespace = arguments.namespace or server.namespace or DEFAULT_NAMESPACE
        return await read_spec_of(server, arguments.name, namespace)
    finally:
        await server.close()


async def _connected(arguments: argparse.Namespace, clock: SystemClock) -> ApiServer:
    """
    Raises:
        ManifestError: Nothing leads to the cluster.
    """
    from gateways.cluster import connect  # noqa: PLC0415 - not for a gateway of files

    try:
        return await connect(_cluster(arguments), clock=clock, limit_s=Limits().connect_s)
    except ConfigurationError as error:
        raise ManifestError([str(error)]) from error
