"""The HTTP paths that tell how a service is.

Invariant: the service answers under these paths, the probes of its manifest ask for them, and the
contract rules compare the two; nothing else spells them.
"""

HEALTH_PATH = "/health"
READY_PATH = "/ready"
METRICS_PATH = "/metrics"
STATUS_PATH = "/status"
