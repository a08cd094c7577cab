"""In a pod the account of the pod leads to the API, over TLS; another certificate is not trusted."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes.config import incluster_config
from kubernetes_emulator import Cluster, Server
from kubernetes_emulator.server import TOKEN

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification
from observer_contracts.engine import verify as verify_all
from observer_contracts.evidence.live.kubernetes_access import KubernetesAccess, open_access
from observer_contracts.evidence.live.reader import read_live
from observer_contracts.model import Status


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Makes a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return certificate, private


@pytest.fixture
def pod(
    tmp_path: Path, cluster: Cluster, collectors: object, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A pod's files and variables; returns the file of the authority that it trusts."""
    certificate, private = _certificate(tmp_path, "api")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, private)
    with Server(cluster, tls=tls) as server:
        token, trusted = tmp_path / "token", tmp_path / "ca.crt"
        token.write_text(TOKEN)
        trusted.write_bytes(certificate.read_bytes())
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(trusted))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        yield trusted


def test_the_pods_account_leads_to_the_api(pod: Path) -> None:
    """Address from the environment, token and authority from the mounted files."""
    access = open_access(seconds=5)
    assert isinstance(access, KubernetesAccess)
    assert access.inside
    assert access.server.startswith("https://127.0.0.1:")
    results = verify_all(Verification(declare(), live=read_live(declare(), access)))
    assert {result.status for result in results} <= {Status.PASS, Status.WARN}


def test_another_certificate_is_not_trusted(pod: Path, tmp_path: Path) -> None:
    """Nothing is asked of somebody who is not the API server."""
    other, _ = _certificate(tmp_path, "other")
    pod.write_bytes(other.read_bytes())
    access = open_access(seconds=5)
    assert isinstance(access, KubernetesAccess)
    live = read_live(declare(), access)
    assert live.away == "the certificate is not one that this account trusts"
