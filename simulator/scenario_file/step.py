"""
Step: what each kind of step of a scenario file says; frozen, without behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.alias_generators import to_camel

from simulator.scenario_file.key_rules import AnyOf, Excludes, OneOf
from simulator.scenario_file.shape import Bytes, Duration, Json, Port, Shape, TextMap, Texts, json_bytes, kind_of, wrong

PAYLOAD_KEYS = ("data", "text", "base64")
_DATA = "The payload as YAML, sent as JSON."
_TEXT = "The payload as text, sent as UTF-8."
_BASE64 = "The payload's bytes, in base64."
_SERVICE = "Name of the service, as under `services`."
_GATEWAY = "Name of the gateway; needed where there are several."
_AS = "A name for it; the step then does not wait, and `expect: {response: {of: NAME}}` does."


class _Payload(Shape):
    """
    What steps that send something share: a payload in one of three forms.
    """

    may_be_empty = frozenset({"data"})

    data: Json = Field(default=None, description=_DATA, examples=[{"order": 7}])
    text: str | None = Field(default=None, description=_TEXT, examples=["hello"])
    base64: Bytes | None = Field(default=None, description=_BASE64, examples=["aGVsbG8="])

    @property
    def payload(self) -> bytes:
        """
        The bytes to send; empty where no payload is written.
        """
        if self.text is not None:
            return self.text.encode("utf-8", "surrogatepass")
        if self.base64 is not None:
            return self.base64
        return json_bytes(self.data) if "data" in self.model_fields_set else b""


class ServiceStep(Shape):
    """
    What all steps share that a service takes. Beside these keys each service takes its own.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, alias_generator=to_camel)

    verb: ClassVar[str]
    """What is asked of the service: the kind of the step."""

    to: str | None = Field(default=None, description=f"{_SERVICE} May be left out where only one fits.")
    as_: str | None = Field(default=None, alias="as", description=_AS)
    may_fail: bool = Field(default=False, description="A service that does not take it does not fail the step.")

    @property
    def coordinates(self) -> dict[str, Any]:
        """
        The service's own keys: for NATS `subject` and `replyTo`, for S3 `bucket` and `key`.
        """
        return dict(self.model_extra or {})

    @property
    def payload(self) -> bytes:
        """
        The bytes that go with it; empty for none.
        """
        return b""

    def payload_beside(self, folder: Path) -> bytes:
        """
        The same, where files that it names stand in *folder*.

        Raises:
            ValueError: Such a file cannot be read.
        """
        return self.payload

    @property
    def fields(self) -> Mapping[str, str]:
        """
        The headers that go with it.
        """
        return {}

    @property
    def times(self) -> int:
        """
        How often the same is done.
        """
        return 1


class Publish(_Payload, ServiceStep):
    """
    Have a service hand on a message. Beside these keys each service takes its own, such as `subject`.
    """

    verb = "publish"

    headers: TextMap = Field(default={}, description="Message headers.")
    count: int = Field(default=1, ge=1, le=1_000_000, description="The same message so many times.")

    key_rules = (OneOf(PAYLOAD_KEYS, what="a payload"),)

    @property
    def fields(self) -> Mapping[str, str]:
        """See ServiceStep."""
        return self.headers

    @property
    def times(self) -> int:
        """See ServiceStep."""
        return self.count


class Put(_Payload, ServiceStep):
    """
    Store an object. Beside these keys each service takes its own, such as `bucket` and `key`.
    """

    verb = "put"

    headers: TextMap = Field(
        default={}, description="Headers of the object.", examples=[{"Content-Type": "text/plain"}]
    )

    key_rules = (OneOf(PAYLOAD_KEYS, what="a payload"),)

    @property
    def fields(self) -> Mapping[str, str]:
        """See ServiceStep."""
        return self.headers


class Remove(ServiceStep):
    """
    Remove an object that a service stores. Beside these keys each service takes its own, such as `bucket` and `key`.
    """

    verb = "remove"


class Apply(ServiceStep):
    """
    Have an object be as a manifest says, made where it is not there yet.
    """

    verb = "apply"

    manifest: Json = Field(
        default=None,
        description="The object, or a list of objects.",
        examples=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}],
    )
    file: str | None = Field(
        default=None, min_length=1, description="A YAML file of objects, beside the scenario.", examples=["crd.yaml"]
    )

    key_rules = (OneOf(("manifest", "file"), what="objects"),)

    @property
    def payload(self) -> bytes:
        """See ServiceStep."""
        return json_bytes(self.manifest) if self.file is None else b""

    def payload_beside(self, folder: Path) -> bytes:
        """See ServiceStep."""
        return self.payload if self.file is None else json_bytes(_objects_in(folder / self.file))


class Delete(ServiceStep):
    """
    Delete an object. Beside these keys each service takes its own, such as `kind` and `name`.
    """

    verb = "delete"


def _objects_in(file: Path) -> list[Any]:
    """
    The YAML documents of *file*.

    Raises:
        ValueError: It cannot be read.
    """
    import yaml  # noqa: PLC0415 - scenarios are modelled without a parser

    try:
        documents = yaml.load_all(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return [document for document in documents if document is not None]
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {error}") from error


SERVICE_STEPS: Mapping[str, type[ServiceStep]] = {step.verb: step for step in (Publish, Put, Remove, Apply, Delete)}
"""Every kind of step that a service takes, by its verb. A service's shape names the keys of its own for each."""


class Request(_Payload):
    """
    Send an HTTP request to a gateway.
    """

    method: str = Field(default="POST", pattern=r"^[A-Za-z]{1,20}$", description="The HTTP method.", examples=["POST"])
    path: str = Field(pattern=r"^/\S*$", description="The path, with a query where there is one.", examples=["/foo"])
    port: Port | None = Field(
        default=None,
        description="The port as configurations name it; may be left out where the gateway listens on one.",
    )
    headers: TextMap = Field(default={}, description="Request headers.", examples=[{"X-GitHub-Event": "push"}])
    gateway: str | None = Field(default=None, description=_GATEWAY)
    as_: str | None = Field(default=None, alias="as", description=_AS)

    key_rules = (OneOf(PAYLOAD_KEYS, optional=True),)


class EditConfigMap(Shape):
    """
    Change a gateway's ConfigMap; the step is over when the gateway has applied it.
    """

    set: TextMap | None = Field(
        default=None, min_length=1, description="Keys to their new text.", examples=[{"foo": "interval: 1m"}]
    )
    remove: Texts | None = Field(default=None, min_length=1, description="Keys that go away.")
    replace: TextMap | None = Field(
        default=None,
        description="The whole new data; an empty mapping stops everything, nothing (null) deletes the ConfigMap.",
    )
    gateway: str | None = Field(default=None, description=_GATEWAY)
    transformer: bool = Field(default=False, description="Change the ConfigMap of the transformer's HTTP port instead.")

    may_be_empty = frozenset({"replace"})
    key_rules = (
        AnyOf(("set", "remove", "replace"), "a change"),
        Excludes("replace", ("set", "remove"), "`replace` names the whole new data"),
    )

    @property
    def deletes(self) -> bool:
        """
        Whether the ConfigMap itself goes away.
        """
        return self.replace is None and "replace" in self.model_fields_set


class Advance(Shape):
    """
    Move scenario time; what is due at the very end of it is included.
    """

    seconds: Duration = Field(description="How far.")


_RATE = re.compile(r"(\d{1,12})(B|KiB|MiB)/s\Z", re.ASCII)
_RATE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}


def _rate(value: Any) -> int:
    match = _RATE.match(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        shown = f"`{value[:40]}` is no rate" if isinstance(value, str) else f"must be a rate, not {kind_of(value)}"
        raise wrong(shown, "write `512B/s`, `64KiB/s` or `1MiB/s`")
    return int(match[1]) * _RATE_UNITS[match[2]]


Rate = Annotated[
    int,
    PlainValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,12}(B|KiB|MiB)/s$", "examples": ["64KiB/s"]}),
]
"""Bytes a second."""

On = Literal[True]


class FaultReply(Shape):
    """
    One kind of request is answered with an error.
    """

    request: str = Field(description="The request's name in the service's protocol.", examples=["Fetch"])
    error: str | int = Field(description="The error's name or number.", examples=["NOT_LEADER"])
    times: int | None = Field(default=None, ge=1, description="So many times; until `heal` where it is left out.")


FAULTS = (
    "disconnect",
    "refuse",
    "blackhole",
    "latency",
    "rate",
    "reset",
    "pause",
    "kill",
    "partition",
    "dropAck",
    "redeliver",
    "leaderChange",
    "expireWatch",
    "reply",
)


class Fault(Shape):
    """
    Break a service, until `heal` or for so many `times`.
    """

    service: str = Field(description=_SERVICE)
    disconnect: On | None = Field(default=None, description="Close every connection; new ones are taken.")
    refuse: On | None = Field(default=None, description="Refuse new connections.")
    blackhole: On | None = Field(default=None, description="Take bytes and pass none on, in either direction.")
    latency: Duration | None = Field(default=None, description="Pass bytes on so much later.", examples=["200ms"])
    rate: Rate | None = Field(default=None, description="Pass on so many bytes a second.")
    reset: On | None = Field(default=None, description="Reset connections instead of closing them.")
    pause: On | None = Field(default=None, description="Freeze the service.")
    kill: On | None = Field(default=None, description="Kill the service; `restart` brings it back.")
    partition: On | None = Field(
        default=None, description="Cut the service off from its clients; connections stay open."
    )
    drop_ack: On | None = Field(default=None, description="Lose acknowledgements.")
    redeliver: On | None = Field(default=None, description="Deliver again what was delivered.")
    leader_change: On | None = Field(default=None, description="Move the leader.")
    expire_watch: On | None = Field(default=None, description="End watches as too old.")
    reply: FaultReply | None = Field(default=None, description="Answer one kind of request with an error.")
    times: int | None = Field(default=None, ge=1, description="So many times; until `heal` where it is left out.")

    key_rules = (OneOf(FAULTS, what="a fault"),)

    @property
    def name(self) -> str:
        """
        Which fault of the closed list, spelled as in the file.
        """
        return next(name for name in FAULTS if getattr(self, _FIELD_OF_FAULT[name]) is not None)


_FIELD_OF_FAULT = {field.alias or name: name for name, field in Fault.model_fields.items()}


class Heal(Shape):
    """
    End every fault of a service.
    """

    service: str = Field(description=_SERVICE)


class Restart(Shape):
    """
    Stop a gateway or a service and start it again; the step is over when it answers.
    """

    gateway: str | None = Field(default=None, description="Name of the gateway.")
    service: str | None = Field(default=None, description=_SERVICE)
    how: Literal["stop", "crash", "kill"] = Field(
        default="stop",
        description="`stop` ends it in an orderly way. A gateway can `crash`: nothing is settled. A service: `kill`.",
    )

    key_rules = (OneOf(("gateway", "service"), what="what is restarted"),)


class Signal(Shape):
    """
    Send a signal to the process of a gateway; needs a process as target, hence real time.
    """

    gateway: str | None = Field(default=None, description=_GATEWAY)
    name: Literal["KILL", "TERM", "INT", "HUP", "QUIT", "STOP", "CONT", "USR1", "USR2"] = Field(
        description="The signal's name, without SIG."
    )


class Refuse(Shape):
    """
    How a watcher refuses.
    """

    status: int = Field(default=503, ge=100, le=599, description="The HTTP status it answers with.")
    times: int | None = Field(default=None, ge=1, description="So many times; always where it is left out.")


BEHAVIOURS = ("do", "refuse", "acceptThenReset", "slow", "hang", "down", "accept")


class WatcherStep(Shape):
    """
    Have a watcher behave like this from now on.
    """

    name: str = Field(description="Name of the watcher.")
    gateway: str | None = Field(
        default=None, description="The gateway whose watcher it is; for names that several have."
    )
    do: Literal["hold", "release"] | None = Field(
        default=None, description="`hold`: answer nothing until `release`, which accepts what is held, in order."
    )
    refuse: Refuse | None = Field(
        default=None, description="Answer with an error status.", examples=[{"status": 503, "times": 2}]
    )
    accept_then_reset: int | None = Field(
        default=None, ge=1, description="Accept, then drop the connection without an answer, so many times."
    )
    slow: Duration | None = Field(default=None, description="Accept after so much scenario time.", examples=["3s"])
    hang: On | None = Field(default=None, description="Never answer.")
    down: On | None = Field(default=None, description="Be gone: connections are dropped, and new ones refused.")
    accept: On | None = Field(default=None, description="Accept at once, as at the start.")
    body: str | None = Field(default=None, description="The body of an accepting answer.")

    key_rules = (
        OneOf(BEHAVIOURS, what="a behaviour"),
        Excludes("body", ("do", "refuse", "acceptThenReset", "hang", "down")),
    )


__all__ = [
    "BEHAVIOURS",
    "FAULTS",
    "PAYLOAD_KEYS",
    "SERVICE_STEPS",
    "Advance",
    "Apply",
    "Delete",
    "EditConfigMap",
    "Fault",
    "FaultReply",
    "Heal",
    "Publish",
    "Put",
    "Refuse",
    "Remove",
    "Request",
    "Restart",
    "ServiceStep",
    "Signal",
    "WatcherStep",
]
