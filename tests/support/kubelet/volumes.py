"""Where the volumes of a pod come from, and who owns them.

Invariant: claims outlive pods and lie in a folder named as the local-path provisioner names it; everything
else belongs to its pod and ends with it. fsGroup acts on claims and emptyDirs, never on a folder of the
node.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kubelet.environment import CreateContainerConfigError, values_of
from kubelet.manifests import Fields, NotTranslatedError, Objects, only


@dataclass(frozen=True)
class Source:
    """A folder of the node that containers of the pod mount.

    Attributes:
        always_read_only: What the kubelet mounts read-only whatever the container asks for.
    """

    folder: Path
    always_read_only: bool = False


class Volumes:
    """The disk of one node."""

    def __init__(self, folder: Path) -> None:
        self._storage = folder / "storage"
        self._pods = folder / "pods"

    def claim(self, name: str, namespace: str) -> Path:
        """Returns the folder of a claim, made at first use and left as the provisioner leaves it."""
        folder = self._storage / f"pvc-0a1b_{namespace}_{name}"
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        return folder

    def of_pod(self, name: str) -> Path:
        """Returns the folder of everything that ends with a pod."""
        return self._pods / name

    def provide(
        self, volume: Fields, pod: str, namespace: str, objects: Objects, fs_group: int | None
    ) -> Source:
        """Makes a volume ready, as it is before the first container starts.

        Raises:
            CreateContainerConfigError: A ConfigMap, Secret or claim is missing.
            NotTranslatedError: A kind of volume that this kubelet does not know.
        """
        own = self.of_pod(pod) / volume["name"]
        kind = next(key for key in volume if key != "name")
        only(volume, f"volume {volume['name']}", "name", kind)
        match kind:
            case "persistentVolumeClaim":
                name = volume[kind]["claimName"]
                if objects.get("PersistentVolumeClaim", name) is None:
                    raise CreateContainerConfigError(f'persistentvolumeclaim "{name}" not found')
                source = Source(self.claim(name, namespace), bool(volume[kind].get("readOnly")))
                _own(source.folder, fs_group)
            case "emptyDir":
                # A size limit is kept by eviction, which nothing here does.
                only(volume[kind] or {}, f"volume {volume['name']}", "sizeLimit")
                own.mkdir(parents=True)
                own.chmod(0o777)
                _own(own, fs_group)
                source = Source(own)
            case "configMap" | "secret":
                source = self._files(volume, kind, own, objects, fs_group)
            case "hostPath":
                source = Source(Path(volume[kind]["path"]))
            case _:
                raise NotTranslatedError(f"volume {volume['name']}: {kind}")
        return source

    @staticmethod
    def _files(volume: Fields, kind: str, folder: Path, objects: Objects, fs_group: int | None) -> Source:
        fields = volume[kind]
        only(fields, f"volume {volume['name']}", "name", "secretName", "items", "defaultMode", "optional")
        name = fields["name"] if kind == "configMap" else fields["secretName"]
        values = values_of("ConfigMap" if kind == "configMap" else "Secret", name, objects)
        if values is None and not fields.get("optional"):
            raise CreateContainerConfigError(f'{kind.lower()} "{name}" not found')
        paths = {item["key"]: item["path"] for item in fields.get("items", ())} or {
            key: key for key in values or {}
        }
        folder.mkdir(parents=True)
        for key, path in paths.items():
            if key not in (values or {}):
                raise CreateContainerConfigError(f"references non-existent key: {key} of {name}")
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((values or {})[key])
            file.chmod(fields.get("defaultMode", 0o644))
            if fs_group is not None:
                os.chown(file, 0, fs_group)
        return Source(folder, always_read_only=True)


def _own(folder: Path, fs_group: int | None) -> None:
    """Gives a volume to the group of the pod: group, its right to write, and the group for new files."""
    if fs_group is None:
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        os.chown(path, -1, fs_group)
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (0o2770 if path.is_dir() else 0o660))
