"""
`gatesim gateway run`: one gateway from its manifests, by itself, until a signal ends it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateways.addresses import Cluster, DirectAddresses
from gateways.chance import Chance
from gateways.clock import SystemClock
from gateways.configmap import FileSource
from gateways.errors import ManifestError
from gateways.gateway_spec import GatewaySpec, load_manifests
from gateways.log_lines import FORMATS, LEVELS, log_to
from gateways.redaction import Redactor
from gateways.secrets import FileSecrets
from gateways.suggestion import did_you_mean
from gateways.watcher_addresses import parse_address, parse_watcher, reached_at, watchers_in

EXIT_USAGE = 4
_PORTS = range(65536)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's own commands and their arguments.
    """
    commands = parser.add_subparsers(dest="gateway_command", required=True, metavar="COMMAND")
    text = "run one gateway from its manifests, until a signal ends it"
    run = commands.add_parser("run", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add = run.add_argument
    add(
        "-f",
        "--file",
        dest="files",
        action="append",
        required=True,
        type=Path,
        metavar="PATH",
        help="a file with Gateway, ConfigMap and Secret manifests, or the folder of a mounted ConfigMap; repeatable",
    )
    add("--name", default="", help="the Gateway to run, where the manifests hold several")
    add("--watcher", action="append", default=[], metavar="NAME=URL", help="where a watcher is reached; repeatable")
    add("--watchers", type=Path, metavar="FILE", help="the same as a YAML file, a mapping of names to URLs")
    add(
        "--address",
        action="append",
        default=[],
        metavar="HOST:PORT=HOST:PORT",
        help="where an address that a configuration names really is; repeatable",
    )
    add("--kubeconfig", type=Path, metavar="FILE", help="how the cluster of a resource gateway is reached")
    add("--bind", default="0.0.0.0", metavar="HOST", help="the interface to listen on; default 0.0.0.0")
    add(
        "--control-port",
        metavar="PORT",
        help="status, health and metrics; 0 for any free port; default: what the manifest says, else none",
    )
    add("--log-level", default="info", choices=LEVELS, help="default info")
    add("--log-format", default="text", choices=FORMATS, help="default text")
    add("--in-cluster", action="store_true", help="read the manifests from the cluster around; not supported yet")


def main(arguments: argparse.Namespace) -> int:
    """
    Run the gateway.

    Returns:
        The exit code: 0 after a graceful stop, 1 where it died, 2 where it was ended at once, 4 for a wrong file or
        option.
    """
    redacted = Redactor()
    try:
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


def _read(arguments: argparse.Namespace) -> tuple[GatewaySpec, DirectAddresses]:
    """
    Everything that the arguments say.

    Raises:
        ManifestError: Something in a file or an option must change.
    """
    if arguments.in_cluster:
        raise ManifestError(["--in-cluster is not supported yet; give the manifests by -f"])
    spec = _named(load_manifests(arguments.files).gateways, arguments.name)
    urls: dict[str, str] = watchers_in(arguments.watchers) if arguments.watchers is not None else {}
    urls |= dict(parse_watcher(text) for text in arguments.watcher)
    spec = replace(spec, watchers=reached_at(spec.watchers, urls))
    if arguments.control_port is not None:
        spec = replace(spec, control_port=_port(arguments.control_port))
    overrides = dict(parse_address(text) for text in arguments.address)
    cluster = Cluster(kubeconfig=str(arguments.kubeconfig) if arguments.kubeconfig is not None else "")
    return spec, DirectAddresses(bind=arguments.bind, overrides=overrides, cluster=cluster)


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

    def make() -> Gateway:
        return Gateway(
            spec,
            FileSource(paths, spec.config_map, clock),
            clock=clock,
            addresses=addresses,
            chance=Chance(),
            secrets=secrets,
            transformer_source=FileSource(files, spec.transformer_config_map, clock) if has_transformer else None,
        )

    return run_until_signalled(make, spec)
