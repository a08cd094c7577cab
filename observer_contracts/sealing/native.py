"""Sealing without kubeseal: the format of Sealed Secrets.

Invariant: what is made here can be opened by the controller's private key under one name in one
namespace (scope strict), and by nothing else. Format (Sealed Secrets, `HybridEncrypt`): two bytes with
the length of the wrapped session key; that key of 32 bytes, wrapped by RSA-OAEP with SHA-256 and the label
`namespace/name`; the value by AES-256-GCM with a nonce of zeros, which is sound as the key is used once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from observer_core.errors import InputError

_SESSION_KEY = 32
_NONCE = b"\0" * 12
_LENGTH_BYTES = 2


def public_key(certificate: bytes, now: datetime) -> rsa.RSAPublicKey:
    """Returns the key of the controller's certificate.

    Args:
        certificate: The certificate as PEM, as `kubeseal --fetch-cert` prints it.
        now: The present time, with its zone.

    Raises:
        InputError: It is no certificate, has no RSA key, or is not valid now.
    """
    remedy = "Fetch the controller's certificate anew: kubeseal --fetch-cert > cert.pem"
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise InputError("The file of --cert is no certificate in PEM.", remedy=remedy) from None
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise InputError(
            f"The certificate is valid from {found.not_valid_before_utc:%Y-%m-%d} to "
            f"{found.not_valid_after_utc:%Y-%m-%d}, which is not now.",
            remedy=remedy,
        )
    key = found.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise InputError("The certificate has no RSA key.", remedy=remedy)
    return key


def seal_value(value: str, key: rsa.RSAPublicKey, label: str, randomness: Callable[[int], bytes]) -> str:
    """Seals one value.

    Args:
        value: The plain value.
        key: The controller's public key.
        label: `namespace/name` of the Secret.
        randomness: Returns that many random bytes, fit for keys.

    Returns:
        The blob for `encryptedData`, in base64.
    """
    session = randomness(_SESSION_KEY)
    box = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label.encode())
    wrapped = key.encrypt(session, box)
    content = AESGCM(session).encrypt(_NONCE, value.encode(), None)
    return base64.b64encode(len(wrapped).to_bytes(_LENGTH_BYTES, "big") + wrapped + content).decode()
