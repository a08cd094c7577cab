"""Sealing with kubeseal, the controller's own tool.

Invariant: the plain values reach the program by its standard input only: no file, no argument, no variable.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from observer_contracts.declaration.facts import Declaration
from observer_core.errors import InputError, NetworkError

_SECONDS = 30


def seal_with_kubeseal(
    program: str, values: Mapping[str, str], certificate: Path, declaration: Declaration
) -> dict[str, str]:
    """Seals all values with scope strict.

    Raises:
        InputError: kubeseal refuses; its last line is given, which names no value.
        NetworkError: It did not end in time.
    """
    secret = declaration.secret
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret.name, "namespace": declaration.namespace},
        "type": secret.type,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    # With --cert it needs no cluster; without a kubeconfig it cannot ask the wrong one.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "KUBECONFIG": os.devnull,
    }
    try:
        done = subprocess.run(  # noqa: S603 - found by us on the path; its arguments are ours
            [program, "--cert", str(certificate.resolve()), "--scope", "strict", "--format", "json"],
            input=json.dumps(manifest).encode(),
            env=environment,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{program} did not end within {_SECONDS} s.") from None
    try:
        sealed = json.loads(done.stdout)["spec"]["encryptedData"] if done.returncode == 0 else None
    except (ValueError, KeyError, TypeError):
        sealed = None
    if not isinstance(sealed, dict):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InputError(
            f"{program} sealed nothing: {(lines or ['no message'])[-1][:300]}",
            remedy="Check the certificate, or seal natively with --native.",
        )
    return {str(key): str(blob) for key, blob in sealed.items()}
