"""
Steps: one function for each kind of step; each acts on the environment and writes what it did into the ledger.

`expect` stands in expecting.py. A step that cannot hold raises StepFailed; the runner turns that into a verdict.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from simulator.cluster_objects import changed_config_map, config_map_name, config_maps_in
from simulator.environment import Environment
from simulator.expecting import take_expect
from simulator.http_client import Response, send
from simulator.outcomes import StepEnded, StepFailed, StepSkipped
from simulator.real_clock import RealClock
from simulator.scenario_file.scenario import (
    Advance,
    EditConfigMap,
    Expect,
    Fault,
    Heal,
    LoadedStep,
    Parallel,
    Repeat,
    Request,
    Restart,
    ServiceStep,
    Signal,
    WatcherStep,
)
from simulator.scenario_file.step import SERVICE_STEPS
from simulator.sensor import Behaviour
from simulator.services.service import Published, Service, Stimulus
from simulator.services.webhook import ports_of
from simulator.step_notes import Pending, Removed

REQUEST_LIMIT_S = 60.0
"""A request without `as` is answered within this much scenario time."""
_APPLY_LIMIT_S = 120.0
"""Stopping and starting configurations takes no longer: connecting and settling have shorter limits of their own."""


async def take_steps(steps: Sequence[LoadedStep], environment: Environment) -> None:
    """
    Take *steps* in order.

    Raises:
        StepFailed, StepInconclusive, StepSkipped: Of the first that does not hold; its line is in the reason.
    """
    for step in steps:
        await take(step, environment)


async def take(step: LoadedStep, environment: Environment) -> None:
    """
    Take one step.
    """
    environment.began(step)
    try:
        await _take(step, environment)
    except StepEnded as ended:
        # Of the innermost step: other branches may have begun later ones meanwhile.
        ended.line = ended.line or step.line
        raise
    environment.ended(step)


async def _take(step: LoadedStep, environment: Environment) -> None:
    body = step.body
    if isinstance(body, Expect):
        await take_expect(body, step.line, environment)
    elif isinstance(body, WatcherStep):
        await _behave(body, environment)
    else:
        await _TAKERS[type(body)](body, environment)


async def _repeat(body: Repeat, environment: Environment) -> None:
    for i in range(body.times):
        await take_steps(body.round(i), environment)


async def _signal(body: Signal, environment: Environment) -> None:
    raise StepSkipped("platform", f"signal {body.name} needs a gateway that is a process of its own")


async def _parallel(body: Parallel, environment: Environment) -> None:
    branches = [environment.own(take_steps(branch, environment), "branch") for branch in body.branches]
    with environment.clock.idle():
        done, _ = await asyncio.wait(branches, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _have_taken(body: ServiceStep, environment: Environment) -> None:
    service = _service_for(body, environment)
    coordinates = tuple((name, str(value)) for name, value in body.coordinates.items())
    try:
        payload = body.payload_beside(Path(environment.scenario.file).parent)
    except ValueError as error:
        raise StepFailed("not-published", f"{service.name}: {error}") from error
    stimulus = Stimulus(coordinates, payload, tuple(body.fields.items()), body.verb)
    publishing = environment.own(_published(service, stimulus, body, environment), f"{body.verb} to {service.name}")
    if body.as_ is not None:
        pending = environment.progress.pending[body.as_] = Pending(-1, environment.clock.elapsed(), publishing)
        environment.answered_when_done(pending)
        return
    response = await publishing
    if response.status is None and not body.may_fail:
        raise StepFailed("not-published", f"{service.name}: {response.cause}")
    if response.status is not None:
        await _take_in_config_maps(service.name, payload, environment)


async def _published(service: Service, stimulus: Stimulus, body: ServiceStep, environment: Environment) -> Response:
    published: Published = await service.publish([stimulus] * body.times)
    for _ in range(body.times):
        number = environment.progress.stimuli
        sent = (number, service.name, stimulus.coordinates, stimulus.payload)
        facts = (*sent, published.cause, body.verb, stimulus.headers)
        environment.ledger.record("published", *facts)
        environment.stimulated()
    return Response(200 if published.taken else None, (), b"", published.cause)


def _service_for(body: ServiceStep, environment: Environment) -> Service:
    services = environment.services
    if body.to is not None:
        return services[body.to]
    if len(services) != 1:
        raise StepFailed("not-published", f"`to` must say which service: {', '.join(services) or 'there is none'}")
    return next(iter(services.values()))


async def _request(body: Request, environment: Environment) -> None:
    gateway = body.gateway or next(iter(environment.gateways))
    port = body.port or _only_port(gateway, environment)
    number = environment.progress.stimuli
    environment.ledger.record("requested", number, gateway, f"{body.method} {body.path}", body.payload)
    environment.stimulated()
    task = environment.own(_answer(body, gateway, port, environment), f"request {body.method} {body.path}")
    pending = Pending(number, environment.clock.elapsed(), task)
    environment.answered_when_done(pending)
    if body.as_ is not None:
        environment.progress.pending[body.as_] = pending
        return
    environment.progress.latest = pending
    if not await environment.move_until_done(task, REQUEST_LIMIT_S):
        raise StepFailed("wrong-response", f"no answer within {REQUEST_LIMIT_S:g} s of scenario time")
    response = task.result()
    if response.status is None:
        raise StepFailed("wrong-response", f"{body.method} {body.path} on port {port}: {response.cause}")


async def _answer(body: Request, gateway: str, port: int, environment: Environment) -> Response:
    endpoint = environment.addresses.listen(gateway, port)
    host = f"{gateway}-gateway-svc:{port}"
    headers = list(body.headers.items())
    if body.text is None and body.base64 is None and body.payload and not _has(headers, "content-type"):
        headers.append(("content-type", "application/json"))
    hold = environment.clock.work(host)
    try:
        return await send(
            endpoint,
            method=body.method,
            target=body.path,
            headers=headers,
            body=body.payload,
            host=host,
            hold=hold,
        )
    finally:
        hold.close()


def _has(headers: Sequence[tuple[str, str]], name: str) -> bool:
    return any(key.lower() == name for key, _ in headers)


def _only_port(gateway: str, environment: Environment) -> int:
    ports = ports_of(environment.configurations[gateway], environment.heads()[gateway].gatesim)
    if len(ports) != 1:
        named = ", ".join(map(str, ports)) or "none"
        raise StepFailed("wrong-response", f"`port` must say which one: gateway {gateway} listens on {named}")
    return ports[0]


async def _edit_config_map(body: EditConfigMap, environment: Environment) -> None:
    name = body.gateway or next(iter(environment.gateways))
    gateway = environment.gateways[name]
    if body.transformer:
        settings = environment.transformer_settings
        edited = _edited(settings.get(name, {}), body)
        settings[name] = dict(edited or {})
        await _store_config_map(name, edited, environment, transformer=True)
        await _moving(environment, gateway.configure_transformer(edited))
        return
    data = _edited(environment.configurations[name], body)
    await _store_config_map(name, data, environment)
    await _configure(name, data, environment)


async def _configure(name: str, data: dict[str, str] | None, environment: Environment) -> None:
    """
    Have a gateway take in *data*; None says that its ConfigMap is gone.
    """
    if data is not None:
        head, before = environment.heads()[name], environment.configurations[name]
        gone = [key for key, text in before.items() if data.get(key) != text]
        environment.progress.removed += [Removed(head, key, before[key]) for key in gone]
        environment.configurations[name] = data
    await environment.brokers.announce(name, data or ())
    await _moving(environment, environment.gateways[name].configure(data))


async def _store_config_map(
    name: str, data: dict[str, str] | None, environment: Environment, *, transformer: bool = False
) -> None:
    """
    Change the ConfigMap of a gateway where its cluster has it.
    """
    cluster = environment.heads()[name].cluster
    if cluster is not None:
        change = changed_config_map(config_map_name(name, transformer=transformer), data)
        published = await environment.services[cluster].publish([change])
        if not published.taken:
            raise StepFailed("not-published", f"{cluster}: {published.cause}")


async def _take_in_config_maps(service: str, payload: bytes, environment: Environment) -> None:
    """
    An `apply` may have changed the ConfigMap of a gateway that is in that cluster.
    """
    for name, head in environment.heads().items():
        applied = config_maps_in(json.loads(payload or b"[]")) if head.cluster == service else {}
        if config_map_name(name) in applied:
            await _configure(name, applied[config_map_name(name)], environment)


def _edited(before: dict[str, str], body: EditConfigMap) -> dict[str, str] | None:
    if body.deletes:
        return None
    if body.replace is not None:
        return dict(body.replace)
    kept = {key: text for key, text in before.items() if key not in (body.remove or ())}
    return {**kept, **(body.set or {})}


async def _moving(environment: Environment, work: Coroutine[Any, Any, None]) -> None:
    try:
        await environment.moving(work, _APPLY_LIMIT_S)
    except TimeoutError:
        raise StepFailed(
            "gateway-died", f"the gateway did not do it within {_APPLY_LIMIT_S:g} s of scenario time"
        ) from None


async def _advance(body: Advance, environment: Environment) -> None:
    limit_s = environment.options.real_limit_s
    if isinstance(environment.clock, RealClock) and body.seconds > limit_s:
        text = f"`advance: {body.seconds:g}s` on a real clock is more than the limit of {limit_s:g} s"
        raise StepSkipped("real-limit", text)
    await environment.quiesce()
    await environment.advance(body.seconds)


async def _fault(body: Fault, environment: Environment) -> None:
    value = getattr(body, _FAULT_FIELDS[body.name])
    environment.ledger.record("fault", body.service, body.name, True)
    await environment.services[body.service].fault(body.name, value)


async def _heal(body: Heal, environment: Environment) -> None:
    environment.ledger.record("fault", body.service, "heal", False)
    await environment.services[body.service].heal()


_FAULT_FIELDS = {field.alias or name: name for name, field in Fault.model_fields.items()}


async def _restart(body: Restart, environment: Environment) -> None:
    if body.service is not None:
        environment.ledger.record("fault", body.service, f"restart ({body.how})", True)
        await environment.services[body.service].restart(body.how)
        return
    assert body.gateway is not None
    environment.ledger.record("fault", body.gateway, f"restart ({body.how})", True)
    gateway = environment.gateways[body.gateway]
    if body.how == "crash":
        await gateway.crash()
    else:
        await _moving(environment, gateway.stop())
    await _moving(environment, gateway.start())


async def _behave(body: WatcherStep, environment: Environment) -> None:
    sensor = environment.sensors[body.name]
    if body.down:
        await sensor.go_down()
        return
    await sensor.come_up()
    if body.do == "release":
        sensor.release()
        return
    refuse = body.refuse
    sensor.behave(
        Behaviour(
            hold=body.do == "hold",
            refuse_status=refuse.status if refuse is not None else 0,
            refuse_times=refuse.times if refuse is not None else None,
            reset_times=body.accept_then_reset or 0,
            slow_s=body.slow or 0.0,
            hang=bool(body.hang),
            answer_body=body.body or "",
        )
    )


_TAKERS: dict[type, Callable[[Any, Environment], Awaitable[None]]] = {
    **dict.fromkeys(SERVICE_STEPS.values(), _have_taken),
    Request: _request,
    EditConfigMap: _edit_config_map,
    Advance: _advance,
    Fault: _fault,
    Heal: _heal,
    Restart: _restart,
    Signal: _signal,
    Repeat: _repeat,
    Parallel: _parallel,
}
