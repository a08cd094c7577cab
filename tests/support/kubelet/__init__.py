"""What the kubelet does with a rendered pod spec, done with podman.

    Objects            the rendered manifests, and what somebody else makes (Secrets)
    Engine             podman with a storage of its own
    Node               volumes and network of one node; starts pods
    Pod                a pod that runs: probes, signals, logs, deletion

Invariant: a field of a pod spec is either translated with the kubelet's meaning, or listed as one that acts
elsewhere (scheduler, registry, API server), or refused with `NotTranslatedError`. Nothing is silently
ignored.
"""

from kubelet.engine import Engine
from kubelet.environment import CreateContainerConfigError, effective_environment
from kubelet.manifests import NotTranslatedError, Objects
from kubelet.node import Node
from kubelet.pod import Pod, PodFailedError

__all__ = [
    "CreateContainerConfigError",
    "Engine",
    "Node",
    "NotTranslatedError",
    "Objects",
    "Pod",
    "PodFailedError",
    "effective_environment",
]
