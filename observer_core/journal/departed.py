"""The manifests of segments that have left the node.

Invariant: before a segment goes, its manifest is in the file of its track's day, so that a day's account can
be drawn up again at any time: what was journaled is known for ever, whether or not the lines are still here.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import date

from observer_core.errors import StorageError
from observer_core.files import write_atomically
from observer_core.journal.reader import sealed_segments
from observer_core.journal.segment import Manifest, encode_manifest, parse_manifest
from observer_core.settings.paths import Paths, Track


def keep_manifests(paths: Paths, track: Track, day: date, manifests: Iterable[Manifest]) -> None:
    """Enters manifests in the file of a track's day.

    Raises:
        StorageError: The file is there and cannot be read; nothing was changed.
    """
    kept = {manifest.segment: manifest for manifest in _read(paths, track, day)}
    kept |= {manifest.segment: manifest for manifest in manifests}
    lines = (json.dumps(json.loads(encode_manifest(kept[name]))).encode() + b"\n" for name in sorted(kept))
    # The same manifests give the same bytes: no time stands in the file.
    write_atomically(paths.departed_manifests(track, day), gzip.compress(b"".join(lines), mtime=0))


def manifests_of(paths: Paths, track: Track, day: date) -> list[Manifest]:
    """Returns the manifests of all segments of a track's day, of those that have left as well.

    Raises:
        StorageError: A manifest cannot be read, or a segment on the node is missing.
    """
    here = [sealed.manifest for sealed in sealed_segments(paths.journal(track, day))]
    names = {manifest.segment for manifest in here}
    left = [manifest for manifest in _read(paths, track, day) if manifest.segment not in names]
    return sorted((*here, *left), key=lambda manifest: (manifest.shard, manifest.sequence))


def _read(paths: Paths, track: Track, day: date) -> list[Manifest]:
    path = paths.departed_manifests(track, day)
    try:
        return [parse_manifest(line, path) for line in gzip.decompress(path.read_bytes()).splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, EOFError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}.", remedy="Restore it from the backup target."
        ) from error
