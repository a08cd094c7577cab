"""What the tests of the contracts share: throwaway sealing, the production overlay, and verification."""

import base64
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence import kustomize
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Result

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = ROOT / "deploy/overlays/production"
SPECIFICATION = Path(__file__).parent / "fixtures/specification"

Documents = list[dict[str, Any]]


@pytest.fixture(scope="session")
def seal() -> Callable[..., str]:
    """Seals as Sealed Secrets does (`HybridEncrypt`), with a key that lives as long as the tests."""
    key = rsa.generate_private_key(65537, 2048).public_key()

    def sealed(value: str, *, label: str = "observer-prod/observer-secrets") -> str:
        session = os.urandom(32)
        box = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label.encode())
        wrapped = key.encrypt(session, box)
        content = AESGCM(session).encrypt(b"\0" * 12, value.encode(), None)
        return base64.b64encode(len(wrapped).to_bytes(2, "big") + wrapped + content).decode()

    return sealed


SECRET_VALUES = {
    "DB_USER": "observer",
    "DB_PASSWORD": "pw-0a3b9c1d",
    "POSTGRES_USER": "observer",
    "POSTGRES_PASSWORD": "pw-0a3b9c1d",
    "POSTGRES_DB": "observer",
    "PGHOST": "postgres",
    "PGPORT": "5432",
    "PGDATABASE": "observer",
    "PGUSER": "observer",
    "PGPASSWORD": "pw-0a3b9c1d",
    "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
    "KIS_APP_SECRET": "s" * 180,
    "KIS_HTS_ID": "trader01",
}


@pytest.fixture(scope="session")
def production(seal: Callable[..., str]) -> Documents:
    """The rendered production overlay, with secrets sealed by the throwaway key."""
    text = kustomize.render(PRODUCTION, kustomize.read_sources(PRODUCTION))
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        if document["kind"] == "SealedSecret":
            document["metadata"]["annotations"] = {}
            document["spec"]["encryptedData"] = {key: seal(value) for key, value in SECRET_VALUES.items()}
    return documents


def verify_text(text: str | bytes, *, only: Iterable[str] = ()) -> list[Result]:
    """Verifies manifests given as text."""
    content = text.encode() if isinstance(text, str) else text
    return verify(Verification(declare(), read_manifests(["-"], io.BytesIO(content)), only=tuple(only)))


@pytest.fixture(name="verify_text")
def _verify_text() -> Callable[..., list[Result]]:
    return verify_text


@pytest.fixture
def verify_documents() -> Callable[..., list[Result]]:
    """Verifies manifests given as documents."""

    def verified(documents: Documents, *, only: Iterable[str] = ()) -> list[Result]:
        return verify_text(yaml.safe_dump_all(documents, sort_keys=False), only=only)

    return verified
