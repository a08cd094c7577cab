"""The environment of a container on the emulated cluster.

What pod and objects give is `kubelet.environment`'s, shared with the pods that podman runs; here come the
image's variables below it, and those by which Kubernetes makes Services known.
"""

from collections.abc import Mapping

from kubelet import effective_environment

from kubernetes_emulator.cluster import Cluster, Object


class _Namespace:
    """The cluster's objects as the kubelet of one pod looks them up."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def get(self, kind: str, name: str) -> Object | None:
        return self._cluster.find(kind, name, self._namespace)


def container_environment(
    cluster: Cluster, pod: Object, container: Object, image: Mapping[str, str]
) -> dict[str, str]:
    """Returns the variables of a container's process.

    Raises:
        CreateContainerConfigError: A ConfigMap, Secret or key is missing that is not optional.
    """
    namespace = pod["metadata"]["namespace"]
    found = dict(image)
    if pod["spec"]["enableServiceLinks"]:
        for service in cluster.objects["Service"]:
            if service["metadata"]["namespace"] == namespace and service["spec"].get("clusterIP") != "None":
                found |= _links(service)
    return found | effective_environment(container, pod, _Namespace(cluster, namespace))


def _links(service: Object) -> dict[str, str]:
    """Returns the variables that make a Service known, as Docker's links once did."""
    prefix = service["metadata"]["name"].upper().replace("-", "_")
    host, port = service["spec"]["clusterIP"], str(service["spec"]["ports"][0]["port"])
    address = f"tcp://{host}:{port}"
    return {
        f"{prefix}_SERVICE_HOST": host,
        f"{prefix}_SERVICE_PORT": port,
        f"{prefix}_PORT": address,
        f"{prefix}_PORT_{port}_TCP": address,
        f"{prefix}_PORT_{port}_TCP_PROTO": "tcp",
        f"{prefix}_PORT_{port}_TCP_PORT": port,
        f"{prefix}_PORT_{port}_TCP_ADDR": host,
    }
