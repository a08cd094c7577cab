"""A controller of Sealed Secrets for the length of a test: its certificate, and its way to open a value.

Opening is written here a second time from the format's description, with plain integers and hashlib, so that
it shares no line with what seals.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID


def _mask(seed: bytes, length: int) -> bytes:
    blocks = (hashlib.sha256(seed + number.to_bytes(4, "big")).digest() for number in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def _exclusive_or(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


@dataclass(frozen=True)
class Controller:
    """Who can open what was sealed for it."""

    key: rsa.RSAPrivateKey
    certificate: Path

    def unseal(self, blob: str, label: str) -> str:
        """Opens a value; a wrong label, key or tag is a ValueError."""
        content = base64.b64decode(blob, validate=True)
        length = int.from_bytes(content[:2], "big")
        session = self._unwrap(content[2 : 2 + length], label.encode())
        sealed, tag = content[2 + length : -16], content[-16:]
        opened = Cipher(algorithms.AES(session), modes.GCM(bytes(12), tag)).decryptor()
        return (opened.update(sealed) + opened.finalize()).decode()

    def _unwrap(self, wrapped: bytes, label: bytes) -> bytes:
        """RSAES-OAEP of RFC 8017, section 7.1.2."""
        numbers = self.key.private_numbers()
        modulus = numbers.public_numbers.n
        size = (modulus.bit_length() + 7) // 8
        encoded = pow(int.from_bytes(wrapped, "big"), numbers.d, modulus).to_bytes(size, "big")
        masked_seed, masked_data = encoded[1:33], encoded[33:]
        seed = _exclusive_or(masked_seed, _mask(masked_data, 32))
        data = _exclusive_or(masked_data, _mask(seed, len(masked_data)))
        found, rest = data[:32], data[32:].lstrip(b"\0")
        if encoded[0] != 0 or found != hashlib.sha256(label).digest() or rest[:1] != b"\1":
            raise ValueError("sealed for another name, namespace or key")
        return rest[1:]


def write_certificate(path: Path, key: rsa.RSAPrivateKey, days: int = 3650) -> Path:
    """Writes a self-signed certificate that is valid for that many days from yesterday."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealed-secrets")])
    begin = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="session")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """A controller with a key of its own."""
    key = rsa.generate_private_key(65537, 2048)
    return Controller(key, write_certificate(tmp_path_factory.mktemp("controller") / "cert.pem", key))


@pytest.fixture(scope="session")
def other_controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Another cluster's controller, whose certificate has expired."""
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path_factory.mktemp("other") / "cert.pem"
    return Controller(key, write_certificate(path, key, days=0))
