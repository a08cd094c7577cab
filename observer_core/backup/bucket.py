"""A bucket as backup target: S3, or a server that speaks its protocol.

Invariant: an upload that fails half-way leaves nothing that is believed: pyarrow completes an interrupted
upload with what it has, so the remains are removed, and each object is read back before it counts as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from pyarrow import fs

from observer_core.backup.target import Stored, blocks_of_source
from observer_core.errors import BackupTargetError
from observer_core.logs import redact
from observer_core.settings import BackupSettings

_SCHEME = "s3://"
_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 5.0, 60.0, 3


class BucketTarget:
    """Objects of a bucket.

    Args:
        settings: Address, region, keys, `s3://BUCKET/PREFIX`, and the deployment's name.
    """

    def __init__(self, settings: BackupSettings) -> None:
        self._name = settings.target.rstrip("/")
        self._deployment = settings.deployment
        self._root = self._name.removeprefix(_SCHEME)
        # Without a key, the machine's own identity is used (instance or service account).
        self._files = fs.S3FileSystem(
            access_key=settings.access_key.get_secret_value() or None,
            secret_key=settings.secret_key.get_secret_value() or None,
            endpoint_override=settings.endpoint or None,
            region=settings.region,
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            # A small object is then one request, and there whole or not at all.
            allow_delayed_open=True,
            background_writes=False,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def deployment(self) -> str:
        return self._deployment

    def put(self, key: str, source: IO[bytes]) -> None:
        path = self._path(key)
        try:
            with self._failures(), self._files.open_output_stream(path) as stream:
                for block in blocks_of_source(source, key):
                    stream.write(block)
        except BaseException:
            with suppress(OSError):
                self._files.delete_file(path)
            raise

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        with self._failures(), self._files.open_input_stream(self._path(key)) as stream:
            yield cast("IO[bytes]", stream)

    def size(self, key: str) -> int | None:
        with self._failures():
            found = self._files.get_file_info(self._path(key))
        return None if found.type != fs.FileType.File else int(found.size)

    def listing(self, prefix: str) -> Iterator[Stored]:
        wanted = fs.FileSelector(self._path(prefix.rstrip("/")), recursive=True, allow_not_found=True)
        with self._failures():
            found = self._files.get_file_info(wanted)
        for one in found:
            if one.type == fs.FileType.File:
                yield Stored(one.path.removeprefix(f"{self._root}/"), int(one.size))

    def remove(self, key: str) -> None:
        with self._failures(), suppress(FileNotFoundError):
            self._files.delete_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BackupTargetError(
                f"The backup target {self._name} failed: {redact(str(error))}",
                remedy="Check that the bucket exists, that OBSERVER_BACKUP_ACCESS_KEY may read and write it, "
                "and that its server can be reached.",
            ) from error
