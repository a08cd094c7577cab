"""An emulated Kubernetes API over real HTTP, for tests.

It plays what the contracts look at: `apply` fills in what the API server fills in, small controllers make
volumes, Secrets, pods and endpoints of what was applied, and a server answers get, list (label selectors,
pages), delete, the proxies of pods and nodes, and commands in containers, which really run. With a
`Kubelet`, Jobs that are posted run as processes of this machine, with the environment that their pods give
them.
"""

from kubernetes_emulator.cluster import Cluster
from kubernetes_emulator.kubelet import Kubelet, NodeImage
from kubernetes_emulator.rights import Rights
from kubernetes_emulator.server import Server

__all__ = ["Cluster", "Kubelet", "NodeImage", "Rights", "Server"]
