"""The rules about what is rendered, and about paths."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, LOW, RENDER, manifests, repository
from observer_contracts.model import Contract, Rule, Source
from observer_contracts.rules import path, placement, rendering, source_code

RENDERING_AND_PATH_RULES: tuple[Rule, ...] = (
    Rule(
        "RND-001",
        "Every manifest can be read and every overlay renders",
        Contract.RENDERING,
        CRITICAL,
        why="What does not render cannot be applied: Argo CD keeps the old state, silently different from "
        "the repository.",
        remedy="Restore or remove the file that is named, and correct the line that is named.",
        look=RENDER,
        checks=manifests(rendering.renders),
    ),
    Rule(
        "RND-002",
        "Objects have the fields and types of Kubernetes 1.34",
        Contract.RENDERING,
        HIGH,
        why="A misspelt field is dropped or refused: a security setting that is not there looks as if it "
        "were.",
        remedy="Correct the field; the nearest known name is given.",
        look=f"{RENDER} | kubectl apply --dry-run=server --validate=strict -f -",
        checks=manifests(rendering.well_shaped),
    ),
    Rule(
        "WRK-001",
        "The declared workloads are there and run their declared programs",
        Contract.RENDERING,
        CRITICAL,
        why="Without the collector nothing is recorded, without the database nothing is loaded; a pod that "
        "runs something else looks healthy to everybody but the probes.",
        remedy="Restore the workload under its declared name and kind, with at least one replica and the "
        "arguments of its program.",
        look="kubectl -n observer-prod get deployment,statefulset",
        checks=manifests(rendering.workloads_present),
    ),
    Rule(
        "WRK-002",
        "The collector has a hot standby",
        Contract.RENDERING,
        HIGH,
        incident="I-01",
        why="One pod alone leaves a gap of seconds to minutes at each restart, each update and each crash.",
        remedy="Set replicas to 2: the lock makes the second one a standby.",
        look="kubectl -n observer-prod get deployment observer",
        checks=manifests(placement.standby_there),
    ),
    Rule(
        "WRK-003",
        "The pod is given the time that the collector takes to stop",
        Contract.RENDERING,
        HIGH,
        why="The kubelet kills a process that is still sealing: the open segment is torn, and the standby "
        "begins with a recovery.",
        remedy="Raise terminationGracePeriodSeconds above OBSERVER_STOP_SECONDS.",
        look="kubectl -n observer-prod get deployment observer -o yaml",
        checks=manifests(placement.time_to_stop),
    ),
    Rule(
        "NSP-001",
        "Everything lies in the declared namespace",
        Contract.RENDERING,
        HIGH,
        why="A reference to a Secret, ConfigMap, claim or Service never leaves its namespace.",
        remedy="Set the namespace once, in the overlay, or name the other one in contracts.yaml.",
        look=f"{RENDER} | grep namespace:",
        checks=manifests(rendering.one_namespace),
    ),
    Rule(
        "PATH-001",
        "Every declared path is the mount of its own volume",
        Contract.PATH,
        CRITICAL,
        incident="I-18",
        why="Data written beside a mount is lost with the pod, or the pod cannot write at all on its "
        "read-only root.",
        remedy="Mount the named claim at the declared path; change program, ConfigMap and mount together "
        "or not at all.",
        look="kubectl -n observer-prod exec deploy/observer -- cat /proc/mounts",
        checks=manifests(path.mounted),
    ),
    Rule(
        "PATH-002",
        "Program, image and effective environment name the same path",
        Contract.PATH,
        CRITICAL,
        incident="I-12",
        why="A layer that disagrees sends files to a folder that nobody mounts, reads or backs up.",
        remedy="Set the layer that is named back to the declared path, or change all layers in one commit.",
        look="kubectl -n observer-prod exec deploy/observer -- env",
        checks={Source.MANIFESTS: path.layers_agree, Source.REPOSITORY: source_code.image_layer_agrees},
    ),
    Rule(
        "PATH-003",
        "Folders below a mount lie on their parent's volume",
        Contract.PATH,
        HIGH,
        incident="I-18",
        why="A second volume over the token cache or the logs hides what was written before it was mounted.",
        remedy="Remove the mount that is named; folders below a mount need none of their own.",
        look="kubectl -n observer-prod exec deploy/observer -- df",
        checks=manifests(path.folders_in_their_mount),
    ),
    Rule(
        "PATH-005",
        "Sources use the declared paths and never make a mount",
        Contract.SOURCE_CODE,
        LOW,
        cf="CF-5",
        incident="I-12",
        why="A program that makes its own root hides that the volume is missing, until the pod is replaced.",
        remedy="Read the path from `observer_core.settings`, and let `Paths.require_mounts` report a "
        "missing mount.",
        look="grep -rn 'mkdir\\|_DIR' --include=*.py .",
        checks=repository(source_code.sources_use_declared_paths),
    ),
)
