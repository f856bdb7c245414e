"""
KeptRabbitMq: one RabbitMQ node with an epmd of its own, asked in Erlang for what its clients' protocol does not tell.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from simulator.installing.binaries import Installed
from simulator.keeping.kept_server import KeptProcess, Unstartable, installed
from simulator.relay import free_ports
from simulator.services.process import LocalProcess, StartFailed

_LOOPBACK = "127.0.0.1"
_NODE = "gatesim@localhost"
"""Its epmd is nobody else's, so every node may have this name."""
_SEEN = {"version": re.compile(r"Starting RabbitMQ (\S+) on")}
_START_LIMIT_S, _ASK_LIMIT_S = 60.0, 10.0
_GREETING, _GREETED = b"AMQP\0\0\x09\x01", b"\x01"
_GUEST = {"guest": "guest"}
"""Who may come in where nobody is named."""
_HOW = "gatesim env install rabbitmq, or put it on PATH"

_CLEAN = """
[rabbit_vhost:delete(Each, <<"gatesim">>) || Each <- rabbit_vhost:list_names()],
[rabbit_auth_backend_internal:delete_user(proplists:get_value(user, Each), <<"gatesim">>)
    || Each <- rabbit_auth_backend_internal:list_users()],
ok"""
_PREPARE = """
Vhosts = %s, Users = %s,
[rabbit_vhost:add(Each, <<"gatesim">>) || Each <- Vhosts],
[begin
    rabbit_auth_backend_internal:add_user(Name, Password, <<"gatesim">>),
    [rabbit_auth_backend_internal:set_permissions(Name, Each, <<".*">>, <<".*">>, <<".*">>, <<"gatesim">>)
        || Each <- Vhosts]
end || {Name, Password} <- Users],
ok"""
_CONSUMERS = """
case rabbit_amqqueue:lookup(rabbit_misc:r(%s, queue, %s)) of
    {ok, Found} -> proplists:get_value(consumers, rabbit_amqqueue:info(Found, [consumers]));
    _ -> 0
end"""
_OWN_QUEUES = """
Vhost = %s, Key = %s,
Bound = [element(4, Each) || Each <- rabbit_binding:list_for_source(rabbit_misc:r(Vhost, exchange, %s)),
    element(3, Each) =:= Key],
length([Each || Each <- rabbit_amqqueue:info_all(Vhost, [name, owner_pid, consumers]),
    lists:member(proplists:get_value(name, Each), Bound),
    is_pid(proplists:get_value(owner_pid, Each)), proplists:get_value(consumers, Each) > 0])"""
_TLS = """
rabbit_networking:ensure_ssl(),
ssl:clear_pem_cache(),
rabbit_networking:start_ssl_listener({"127.0.0.1", %d}, [{certfile, binary_to_list(%s)}, {keyfile, binary_to_list(%s)}],
    1)"""
_NO_TLS = """rabbit_networking:stop_tcp_listener({"127.0.0.1", %d}), ok"""


class KeptRabbitMq(KeptProcess):
    """
    One node. Whoever leases it has it prepare users and virtual hosts, and clean up.
    """

    kind: ClassVar[str] = "rabbitmq"

    def __init__(self, options: Mapping[str, Any], died: Callable[[str], None]) -> None:
        node = LocalProcess("rabbitmq", died=lambda end: died(f"RabbitMQ {end}"))
        super().__init__(options, died, node, stop_limit_s=10.0)
        self._epmd = LocalProcess("epmd", died=lambda end: None)
        self._version = ""
        self._ports: dict[str, int] = {}
        self._user = (f"gatesim-{secrets.token_hex(4)}", secrets.token_hex(16))
        self._environ: dict[str, str] = {}
        self._certificate: tuple[str, str] | None = None

    @property
    def access(self) -> dict[str, Any]:
        """See KeptServer. The user is there once it was prepared."""
        user, password = self._user
        ports = {"port": self._ports["amqp"], "tls_port": self._ports["tls"]}
        return {**ports, "user": user, "password": password, "version": self._version, "pid": self._process.pid}

    async def start(self) -> None:
        """See KeptServer."""
        found = installed("rabbitmq", "the rabbitmq-server binary was not found", _HOW)
        self._erl_call = _erl_call(found)
        if not self._environ:
            self._environ = self._made_environ(found)
        try:
            if self._epmd.pid is None:
                epmd = [str(found.programs["epmd"]), "-port", str(self._ports["epmd"]), "-address", _LOOPBACK]
                await self._epmd.start(epmd, {}, _ASK_LIMIT_S, environ=self._environ, answers=self._epmd_answers)
            server = [str(found.program)]
            seen = await self._process.start(
                server, _SEEN, _START_LIMIT_S, environ=self._environ, answers=self._node_answers
            )
        except StartFailed as error:
            raise Unstartable(str(error)) from error
        self._version = seen["version"]
        if self._certificate is not None:
            await self._listen_for_tls()

    async def wipe(self) -> None:
        """See KeptServer."""
        await self.kill()
        self._certificate = None
        for name in ("mnesia", "log"):
            await asyncio.to_thread(shutil.rmtree, self._process.folder / name, ignore_errors=True)

    async def close(self) -> None:
        """See KeptServer."""
        await super().close()
        await self._epmd.kill()
        self._epmd.remove_folder()

    async def command(self, name: str, argument: Any) -> Any:
        """
        See KeptServer.

        - `prepare` {users, vhosts}: nobody else is let in, beside ourselves; without users `guest` is.
        - `clean`: forget users, virtual hosts, and all that is in them.
        - `certificate` {file, key}: take connections over TLS too, at `tls_port`.
        - `consumers` {vhost, queue}: how many that queue has.
        - `own_queues` {vhost, exchange, routing_key}: how many clients have a queue of their own, with a consumer, that
          is bound so.
        """
        match name:
            case "prepare":
                users = {**(argument["users"] or _GUEST), self._user[0]: self._user[1]}
                pairs = (f"{{{_binary(user)}, {_binary(password)}}}" for user, password in users.items())
                vhosts = dict.fromkeys(("/", *argument["vhosts"]))
                await self._ask(_CLEAN)
                return await self._ask(_PREPARE % (_list(map(_binary, vhosts)), _list(pairs)))
            case "clean":
                if self._certificate is not None:
                    self._certificate = None
                    await self._ask(_NO_TLS % self._ports["tls"])
                return await self._ask(_CLEAN)
            case "certificate":
                self._certificate = (argument["file"], argument["key"])
                return await self._listen_for_tls()
            case "consumers":
                asked = _CONSUMERS % (_binary(argument["vhost"]), _binary(argument["queue"]))
                return int(await self._ask(asked))
            case "own_queues":
                names = (argument["vhost"], argument["routing_key"], argument["exchange"])
                return int(await self._ask(_OWN_QUEUES % tuple(map(_binary, names))))
        return await super().command(name, argument)

    async def _listen_for_tls(self) -> None:
        assert self._certificate is not None
        await self._ask(_TLS % (self._ports["tls"], *map(_binary, self._certificate)))

    async def _ask(self, expressions: str) -> str:
        """
        What the node says to Erlang *expressions*, as Erlang writes it.
        """
        asking = await asyncio.create_subprocess_exec(
            *(str(self._erl_call), "-sname", _NODE, "-timeout", f"{_ASK_LIMIT_S:.0f}", "-e"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environ,
        )
        try:
            async with asyncio.timeout(_ASK_LIMIT_S):
                said, _ = await asking.communicate(f"{expressions.strip()}.\n".encode())
        except TimeoutError:
            asking.kill()
            await asking.wait()
            raise Unstartable(f"RabbitMQ gives no answer within {_ASK_LIMIT_S:g} s") from None
        answer = re.fullmatch(r"\{ok, (.*)\}", said.decode(errors="replace").strip(), re.DOTALL)
        if answer is None or answer[1].startswith("{error"):
            raise Unstartable(f"RabbitMQ answers: {said.decode(errors='replace').strip()}")
        return answer[1]

    async def _epmd_answers(self) -> bool:
        return await _answers(self._ports["epmd"], b"", b"")

    async def _node_answers(self) -> bool:
        return await _answers(self._ports["amqp"], _GREETING, _GREETED)

    def _made_environ(self, found: Installed) -> dict[str, str]:
        """
        Make the files that it starts with, and say where they are.
        """
        self._ports = dict(zip(("amqp", "tls", "distribution", "epmd"), free_ports(4), strict=True))
        folder = self._process.folder
        home = folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16), encoding="ascii")
        cookie.chmod(0o400)
        plugins, configuration = folder / "enabled_plugins", folder / "rabbitmq.conf"
        plugins.write_text("[].\n", encoding="ascii")
        lines = (
            f"listeners.tcp.1 = {_LOOPBACK}:{self._ports['amqp']}",
            "loopback_users = none",
            "disk_free_limit.absolute = 1MB",
        )
        configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))},
            **found.environment,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": _LOOPBACK,
            "RUNNING_UNDER_SYSTEMD": "true",  # else its start script stays, and the child is not the server
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_NODE_IP_ADDRESS": _LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self._ports["amqp"]),
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }


def _erl_call(found: Installed) -> Path:
    """
    The program by which a node is asked, which comes with Erlang.
    """
    folders = (found.programs["epmd"].parent, found.programs["erl"].parent, found.programs["epmd"].resolve().parent)
    for folder in folders:
        if (folder / "erl_call").is_file():
            return folder / "erl_call"
    elsewhere = shutil.which("erl_call")
    if elsewhere is None:
        raise Unstartable("erl_call, which comes with Erlang, was not found beside epmd", _HOW)
    return Path(elsewhere)


async def _answers(port: int, greeting: bytes, wanted: bytes) -> bool:
    """
    Whether what listens at *port* says what is *wanted* to *greeting*.
    """
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(_LOOPBACK, port)
    except (OSError, TimeoutError):
        return False
    try:
        if not greeting:
            return True
        writer.write(greeting)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                return await reader.read(len(wanted)) == wanted
        return False
    finally:
        writer.transport.abort()


def _binary(text: str) -> str:
    """
    *text* as Erlang writes bytes, whatever is in it.
    """
    return f"<<{','.join(map(str, text.encode()))}>>"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"
