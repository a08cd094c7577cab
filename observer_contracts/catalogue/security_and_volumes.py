"""The rules about security contexts, volumes and the backup of what they hold."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, LOW, MEDIUM, RENDER, manifests
from observer_contracts.helm import pod_needs
from observer_contracts.model import Contract, Rule, Source
from observer_contracts.rules import backup, placement, security, volume, writer

SECURITY_AND_VOLUME_RULES: tuple[Rule, ...] = (
    Rule(
        "CTX-001",
        "Every container of the collector runs as declared",
        Contract.SECURITY,
        CRITICAL,
        why="With another user the volumes cannot be written; with more rights a broken program can do "
        "more harm.",
        remedy="Set the field that is named in the container's securityContext.",
        look="kubectl -n observer-prod exec deploy/observer -- id",
        checks=manifests(security.collector_context),
    ),
    Rule(
        "CTX-002",
        "The database's containers run as their image needs it",
        Contract.SECURITY,
        HIGH,
        why="Without a context PostgreSQL starts as root with every capability; Debian's user is 999, "
        "Alpine's 70.",
        remedy="Set the field that is named; let fsGroup be the image's group.",
        look="kubectl -n observer-prod exec postgres-0 -- id",
        checks=manifests(security.database_context),
    ),
    Rule(
        "CTX-003",
        "A read-only root has writable temporary folders",
        Contract.SECURITY,
        HIGH,
        incident="I-10",
        why="The first temporary file ends the program; PostgreSQL cannot make its socket.",
        remedy="Mount an emptyDir with a sizeLimit at the folder that is named.",
        look="kubectl -n observer-prod exec deploy/observer -- df /tmp",
        checks={
            Source.MANIFESTS: security.temporary_folders,
            Source.VALUES: pod_needs.temporary_folders,
        },
    ),
    Rule(
        "CTX-004",
        "The volumes can be written by the program's group",
        Contract.SECURITY,
        CRITICAL,
        why="fsGroup is what makes a fresh volume writable for a user that is not root; it does nothing on "
        "hostPath.",
        remedy="Set fsGroup in the pod's securityContext, and leave writable mounts without readOnly.",
        look="kubectl -n observer-prod exec deploy/observer -- ls -ln /opt/platform/runtime/observer",
        checks=manifests(security.volumes_writable),
    ),
    Rule(
        "CTX-005",
        "What a program must not write is mounted read-only",
        Contract.SECURITY,
        MEDIUM,
        why="A configuration that the pod can change is no longer the one in the repository.",
        remedy="Set readOnly: true on the mount.",
        look=RENDER,
        checks=manifests(security.read_only_mounts),
    ),
    Rule(
        "PSS-001",
        "Every pod fulfils the restricted pod security standard",
        Contract.SECURITY,
        HIGH,
        why="A namespace that enforces the standard refuses the pod; without it a broken container reaches "
        "the node.",
        remedy="Set the field that is named.",
        look="kubectl label --dry-run=server --overwrite ns observer-prod "
        "pod-security.kubernetes.io/enforce=restricted",
        checks=manifests(security.restricted_standard),
    ),
    Rule(
        "VOL-001",
        "No volume is a folder of the node",
        Contract.VOLUME,
        MEDIUM,
        cf="CF-4",
        why="DirectoryOrCreate makes an empty folder owned by root on a new node: no configuration, and no "
        "right to write one.",
        remedy="Mount a ConfigMap, or a claim; or add an exemption with owner, reason and end to "
        "contracts.yaml.",
        look=RENDER,
        checks=manifests(volume.no_host_paths),
    ),
    Rule(
        "VOL-002",
        "Every mount has its volume, every volume its claim, every claim its size",
        Contract.VOLUME,
        CRITICAL,
        incident="I-13",
        why="The pod is refused or stays Pending; a claim that was made small cannot grow on local-path "
        "(I-14).",
        remedy="Correct the name, or restore volume, claim and size as declared.",
        look="kubectl -n observer-prod get pvc",
        checks=manifests(volume.mounts_have_volumes),
    ),
    Rule(
        "VOL-003",
        "A single-writer volume has one writer",
        Contract.VOLUME,
        HIGH,
        cf="CF-7",
        incident="I-01",
        why="Two pods fight for the broker's one session and for the same files: two hours of ticks were "
        "lost that way.",
        remedy="Pin the pods to one node, where the declared lock makes the second one a standby, or run "
        "one replica.",
        look="kubectl -n observer-prod get pods -o wide",
        checks=manifests(writer.one_writer),
    ),
    Rule(
        "VOL-004",
        "The single node is said, and an update hands over to the standby",
        Contract.VOLUME,
        LOW,
        cf="CF-7",
        incident="I-01",
        why="ReadWriteOnce means one node, not one pod: on a second node the pods wait for the volume, or "
        "two locks exist.",
        remedy="Set a nodeSelector by hostname and the strategy RollingUpdate, or one replica with Recreate.",
        look="kubectl -n observer-prod get deployment observer -o yaml",
        checks=manifests(writer.update_keeps_one_writer),
    ),
    Rule(
        "VOL-005",
        "Volumes are mounted beside each other",
        Contract.VOLUME,
        LOW,
        why="What lies below the inner mount on the outer volume cannot be seen, and is not backed up.",
        remedy="Mount the inner volume elsewhere.",
        look=RENDER,
        checks=manifests(volume.no_nested_mounts),
    ),
    Rule(
        "VOL-006",
        "Claims are used, and no synchronisation prunes them or the database",
        Contract.VOLUME,
        MEDIUM,
        incident="I-18",
        why="local-path deletes the data with the claim: a renamed claim that is pruned is a lost archive.",
        remedy="Annotate claim and StatefulSet with argocd.argoproj.io/sync-options: Prune=false, and delete "
        "unused claims by hand.",
        look="kubectl -n observer-prod get pvc",
        checks=manifests(volume.claims_kept),
    ),
    Rule(
        "VOL-009",
        "Everything that shares the volumes is pinned to one node",
        Contract.VOLUME,
        HIGH,
        incident="I-01",
        why="A claim of local-path lies on one node: a pod that is pinned to another one waits for ever, or "
        "runs compact an empty folder there.",
        remedy="Write the same node everywhere.",
        look="kubectl -n observer-prod get pods -o wide",
        checks={Source.MANIFESTS: placement.one_node, Source.VALUES: placement.values_name_the_node},
    ),
    Rule(
        "BAK-001",
        "What cannot be collected again leaves the node",
        Contract.VOLUME,
        HIGH,
        incident="I-31",
        why="The node has one disk: with it go the journal, the lake and the database, and the market does "
        "not repeat itself.",
        remedy="Name a target in the overlay's backup.env, with the claim or the keys that it needs "
        "(docs/operations/backup.md).",
        look=f"{RENDER} | grep OBSERVER_BACKUP_TARGET",
        checks={Source.MANIFESTS: backup.leaves_the_node, Source.VALUES: backup.runs_mount_the_target},
    ),
)
