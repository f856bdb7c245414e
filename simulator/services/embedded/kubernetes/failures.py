"""
ApiFailure: what the API refuses, as the Status object that clients of Kubernetes read.

Source: Kubernetes API concepts, "Status"; the reasons are those of apimachinery's `metav1.StatusReason`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.services.embedded.kubernetes.kinds import Kind

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""HTTP status to the reason that stands for it where a failure names no other."""


class ApiFailure(Exception):
    """
    A request that is refused.

    Attributes:
        code: The HTTP status.
        status: The Status object.
    """

    def __init__(self, code: int, message: str, *, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason or REASONS[code],
            "code": code,
        }
        if details:
            self.status["details"] = details


def failure_named(error: str | int) -> ApiFailure | None:
    """
    The failure of that HTTP status, or of that reason; None where there is none.
    """
    code = next((code for code, reason in REASONS.items() if str(error) in (str(code), reason)), None)
    return ApiFailure(code, f"the server answers {REASONS[code]}, as it was asked to") if code is not None else None


def unknown_path() -> ApiFailure:
    """
    There is no such resource.
    """
    return ApiFailure(404, "the server could not find the requested resource")


def not_found(kind: Kind, name: str) -> ApiFailure:
    """
    There is no such object.
    """
    return ApiFailure(404, f'{kind.qualified} "{name}" not found', details=_named(kind, name))


def already_exists(kind: Kind, name: str) -> ApiFailure:
    """
    There is an object of that name.
    """
    text = f'{kind.qualified} "{name}" already exists'
    return ApiFailure(409, text, reason="AlreadyExists", details=_named(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiFailure:
    """
    The object is not what the request takes it for.
    """
    text = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return ApiFailure(409, text, details=_named(kind, name))


def stale(kind: Kind, name: str) -> ApiFailure:
    """
    The object has another resourceVersion by now.
    """
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(kind, name, why)


def invalid(kind: Kind, name: str, problems: Sequence[tuple[str, str]]) -> ApiFailure:
    """
    The object breaks rules.

    Args:
        problems: Each field and what is wrong with it.
    """
    shown = [f"{field}: {problem}" for field, problem in problems]
    listed = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    causes = [{"reason": "FieldValueInvalid", "message": problem, "field": field} for field, problem in problems]
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}
    return ApiFailure(422, f'{qualified} "{name}" is invalid: {listed}', details=details)


def expired(version: int | str, current: int) -> ApiFailure:
    """
    What is asked for lies too far back.
    """
    return ApiFailure(410, f"too old resource version: {version} ({current})")


def _named(kind: Kind, name: str) -> dict[str, Any]:
    return {"name": name, "kind": kind.plural} | ({"group": kind.group} if kind.group else {})
