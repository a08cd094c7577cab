"""A server that speaks S3, in a process of its own, with a key that it checks (moto).

Requests must be signed with the key's secret: a wrong key or signature is refused, as by a real server.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from observer.stack import ports

_START_SECONDS = 60
# Making user, key and policy; from then on every request must be signed.
_FREE_REQUESTS = "3"
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class S3Server:
    """A running server.

    Attributes:
        address: Where it listens.
        access_key: The key that it accepts.
        secret_key: Its secret.
    """

    def __init__(self, log: Path) -> None:
        [port] = ports.ephemeral()
        self.address = f"http://127.0.0.1:{port}"
        self._log = log
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": _FREE_REQUESTS}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                stdout=output, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip
        self._wait(port)
        self.access_key, self.secret_key = self._make_key()

    def environment(self, bucket: str, prefix: str = "observer") -> dict[str, str]:
        """Makes a bucket, and returns the variables of a deployment that ships to it."""
        self.client().create_bucket(Bucket=bucket)
        return {
            "OBSERVER_BACKUP_TARGET": f"s3://{bucket}/{prefix}",
            "OBSERVER_BACKUP_S3_ENDPOINT": self.address,
            "OBSERVER_BACKUP_ACCESS_KEY": self.access_key,
            "OBSERVER_BACKUP_SECRET_KEY": self.secret_key,
        }

    def client(self):
        """Returns a client of another maker than the one that is tested."""
        return boto3.client("s3", **self._access(self.access_key, self.secret_key))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Lets the server hang: it accepts connections, and does not answer."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the S3 server did not start: {self._log.read_text()}")
                time.sleep(0.05)
            else:
                return

    def _make_key(self) -> tuple[str, str]:
        client = boto3.client("iam", **self._access("anybody", "anything"))
        client.create_user(UserName="observer")
        made = client.create_access_key(UserName="observer")["AccessKey"]
        client.put_user_policy(UserName="observer", PolicyName="all", PolicyDocument=json.dumps(_POLICY))
        return made["AccessKeyId"], made["SecretAccessKey"]

    def _access(self, key: str, secret: str) -> dict[str, str]:
        return {
            "endpoint_url": self.address,
            "region_name": "us-east-1",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
        }
