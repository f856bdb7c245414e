"""
Kinds: which kinds of object there are, those of a fresh server and those that CustomResourceDefinitions add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
"""An object as JSON has it. Whatever the storage gives out is never changed in place."""

Collection = tuple[str, str]
"""Group and plural: where the objects of all versions of a kind are stored."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Kind(NamedTuple):
    """
    One kind of object in one version.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    has_status: bool = False
    """Whether `status` is written at a path of its own."""
    schema: Mapping[str, Any] | None = None
    """The OpenAPI schema of a custom kind; None for those that are built in, which are taken as they are."""
    columns: tuple[Mapping[str, Any], ...] = ()
    """A custom kind's own columns of tables."""
    singular: str = ""
    list_kind: str = ""

    @property
    def api_version(self) -> str:
        """
        As objects spell it.
        """
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> Collection:
        """
        Where its objects are stored.
        """
        return self.group, self.plural

    @property
    def qualified(self) -> str:
        """
        `deployments.apps`.
        """
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def is_custom(self) -> bool:
        """
        Whether a CustomResourceDefinition made it.
        """
        return self.schema is not None

    def resource(self) -> Object:
        """
        The entry of an APIResourceList.
        """
        entry: Object = {
            "name": self.plural,
            "singularName": self.singular or self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": list(VERBS),
        }
        if self.short_names:
            entry["shortNames"] = list(self.short_names)
        if self.plural in _ALL:
            entry["categories"] = ["all"]
        return entry


_ALL = frozenset(
    {"pods", "services", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs"}
    | {"replicationcontrollers"}
)

CRDS: Collection = ("apiextensions.k8s.io", "customresourcedefinitions")
NAMESPACES: Collection = ("", "namespaces")
SECRETS: Collection = ("", "secrets")

BUILT_IN = (
    Kind("", "v1", "namespaces", "Namespace", False, ("ns",), True),
    Kind("", "v1", "nodes", "Node", False, ("no",), True),
    Kind("", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",), True),
    Kind("", "v1", "pods", "Pod", True, ("po",), True),
    Kind("", "v1", "services", "Service", True, ("svc",), True),
    Kind("", "v1", "endpoints", "Endpoints", True, ("ep",)),
    Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Kind("", "v1", "secrets", "Secret"),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",)),
    Kind("", "v1", "events", "Event", True, ("ev",)),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), True),
    Kind("", "v1", "replicationcontrollers", "ReplicationController", True, ("rc",), True),
    Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), True),
    Kind("", "v1", "limitranges", "LimitRange", True, ("limits",)),
    Kind("apps", "v1", "deployments", "Deployment", True, ("deploy",), True),
    Kind("apps", "v1", "statefulsets", "StatefulSet", True, ("sts",), True),
    Kind("apps", "v1", "daemonsets", "DaemonSet", True, ("ds",), True),
    Kind("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), True),
    Kind("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Kind("batch", "v1", "jobs", "Job", True, (), True),
    Kind("batch", "v1", "cronjobs", "CronJob", True, ("cj",), True),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), True),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), True),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", True, ("ing",), True),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, ("netpol",)),
    Kind("coordination.k8s.io", "v1", "leases", "Lease"),
    Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, ("sc",)),
    Kind("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False),
    Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Kind(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        False, ("crd", "crds"), True,
    ),
)  # fmt: skip


class Kinds:
    """
    Every kind by where it is found.
    """

    def __init__(self) -> None:
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in BUILT_IN}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def get(self, group: str, version: str, plural: str) -> Kind | None:
        """
        The kind at a path; None where there is none.
        """
        return self._kinds.get((group, version, plural))

    def named(self, api_version: str, kind: str) -> Kind | None:
        """
        The kind that an object says it is of.
        """
        return next((each for each in self if (each.api_version, each.kind) == (api_version, kind)), None)

    def of(self, collection: Collection) -> Kind | None:
        """
        Any version of what a collection holds.
        """
        return next((each for each in self if each.collection == collection), None)

    def versions(self, group: str) -> list[str]:
        """
        The versions of *group*, the newest stable one first.
        """
        found = {kind.version for kind in self if kind.group == group}
        return sorted(found, key=lambda version: ("alpha" in version, "beta" in version, version))

    def groups(self) -> list[str]:
        """
        Every group that has a name.
        """
        return list(dict.fromkeys(kind.group for kind in self if kind.group))

    def define(self, definition: Object) -> None:
        """
        Know the kinds of a CustomResourceDefinition, and of its former state only what it still says.
        """
        self.forget(definition)
        spec = definition["spec"]
        for kind in kinds_of(spec):
            self._kinds[kind.group, kind.version, kind.plural] = kind

    def forget(self, definition: Object) -> None:
        """
        Know nothing of a CustomResourceDefinition any more.
        """
        collection = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
        self._kinds = {place: kind for place, kind in self._kinds.items() if kind.collection != collection}


def kinds_of(spec: Mapping[str, Any]) -> Iterator[Kind]:
    """
    The kinds that a CustomResourceDefinition's *spec* serves, one for each version.
    """
    names = spec["names"]
    for version in spec["versions"]:
        if version.get("served", True):
            yield Kind(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                spec.get("scope") != "Cluster",
                tuple(names.get("shortNames") or ()),
                "status" in (version.get("subresources") or {}),
                (version.get("schema") or {}).get("openAPIV3Schema") or {},
                tuple(version.get("additionalPrinterColumns") or ()),
                names.get("singular", ""),
                names.get("listKind", ""),
            )
