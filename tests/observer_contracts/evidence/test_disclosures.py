"""Secrets are told by the kind of the file."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from observer_contracts.evidence.disclosures import DisclosureKind, disclosures

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n{block}\n"


def _kinds(path: str, text: str | bytes) -> list[DisclosureKind]:
    content = text.encode() if isinstance(text, str) else text
    return [found.kind for found in disclosures(path, content)]


@pytest.fixture(scope="module")
def pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_a_secret_is_found_in_every_form() -> None:
    """Data, string data, JSON, a List, UTF-16 and a template with braces are all a Secret."""
    plain = SECRET.format(block="stringData: {A: b-c-d}")
    assert _kinds("a.yaml", plain) == [DisclosureKind.SECRET]
    assert _kinds("a.yaml", plain.encode("utf-16")) == [DisclosureKind.SECRET]
    assert _kinds("a.yaml", SECRET.format(block="data: {A: YWJj}")) == [DisclosureKind.SECRET]
    assert _kinds("a.json", '{"apiVersion":"v1","kind":"Secret","data":{"A":"YWJj"}}') == [
        DisclosureKind.SECRET
    ]
    assert _kinds("a.yaml", "kind: List\nitems:\n- kind: Secret\n  data: {A: YWJj}\n") == [
        DisclosureKind.SECRET
    ]
    assert _kinds("t.yaml", "{{ if x }}\nkind: Secret\ndata:\n  A: {{ .b }}\n{{ end }}\n") == [
        DisclosureKind.SECRET
    ]
    assert _kinds("a.yaml", plain[: plain.index("b-c")] + "'cut") == [DisclosureKind.SECRET]


def test_what_is_no_plain_secret_is_left_alone(seal) -> None:
    """Sealed values, references, empty Secrets, documents and sources disclose nothing."""
    sealed = f"kind: SealedSecret\nmetadata: {{name: x}}\nspec:\n  encryptedData: {{A: {seal('x')}}}\n"
    assert _kinds("a.yaml", sealed) == []
    assert _kinds("a.yaml", "kind: Deployment\nspec: {secretRef: {name: Secret}}\n") == []
    assert _kinds("a.yaml", SECRET.format(block="data: {}")) == []
    assert _kinds("a.yaml", SECRET.format(block="data: {A: ''}")) == []
    assert _kinds("guide.md", "a Secret has `data:`\n") == []
    assert _kinds("a.py", "TEXT = '''kind: Secret\ndata: {A: YWJj}'''\n") == []


@pytest.mark.parametrize(
    "value", ["<password>", "${PASSWORD}", "CHANGE_ME", "your-password", "xxx", "{{ .Values.x }}", "***"]
)
def test_a_stand_in_is_marked(value: str) -> None:
    """A template's value is told from a real one."""
    found = list(disclosures("a.yaml", SECRET.format(block=f"stringData: {{A: '{value}'}}").encode()))
    assert [(f.kind, f.placeholder) for f in found] == [(DisclosureKind.SECRET, True)]


def test_a_kubeconfig_needs_a_credential() -> None:
    """Key data, tokens and passwords count; a kubeconfig that calls a program does not."""
    head = "kind: Config\nclusters: []\nusers:\n- name: a\n  user: "
    for credential in ("client-key-data: YWJj", "token: abc-def", "password: abc-def"):
        assert _kinds("config", head + "{" + credential + "}\n") == [DisclosureKind.KUBECONFIG]
    assert _kinds("config", head + "{exec: {command: aws}}\n") == []


def test_a_private_key_is_found_wherever_it_stands(pem: str) -> None:
    """In a file of its own, indented in YAML, escaped in JSON; the words alone are no key."""
    assert _kinds("deploy_key", pem) == [DisclosureKind.PRIVATE_KEY]
    assert _kinds("a.yaml", "key: |\n  " + pem.replace("\n", "\n  ")) == [DisclosureKind.PRIVATE_KEY]
    assert _kinds("a.json", '{"k": "' + pem.replace("\n", "\\n") + '"}') == [DisclosureKind.PRIVATE_KEY]
    assert _kinds("a.py", f'K = """{pem}"""') == [DisclosureKind.PRIVATE_KEY]
    assert (
        _kinds("guide.md", "A file that begins with `-----BEGIN PRIVATE KEY-----` is a private key.\n") == []
    )


def test_environment_files_are_told_by_their_name() -> None:
    """`.env` with a value counts, an example or an empty one does not, `x.env` only under a secret's name."""
    assert _kinds(".env", "A=b\n") == [DisclosureKind.ENVIRONMENT_FILE]
    assert _kinds("deploy/.env.production", "export DB_PASSWORD='abc'\n") == [DisclosureKind.ENVIRONMENT_FILE]
    assert _kinds("prod.env", "DB_PASSWORD=abc\n") == [DisclosureKind.ENVIRONMENT_FILE]
    assert _kinds("prod.env", "LOG_LEVEL=INFO\n") == []
    assert _kinds(".env.example", "DB_PASSWORD=abc\n") == []
    assert _kinds(".env", "# nothing\nDB_PASSWORD=\nA=<b>\n") == []


def test_registry_credentials_and_generators_are_found() -> None:
    """A docker configuration with a login, and literals of a secretGenerator."""
    assert _kinds("config.json", '{"auths": {"ghcr.io": {"auth": "YTpi"}}}') == [DisclosureKind.REGISTRY]
    assert _kinds("config.json", '{"auths": {"ghcr.io": {}}}') == []
    text = "secretGenerator:\n- name: s\n  literals: [A=b]\n"
    assert _kinds("kustomization.yaml", text) == [DisclosureKind.GENERATOR]


def test_hostile_text_takes_no_time() -> None:
    """Texts made to send regular expressions astray are read at once."""
    list(disclosures("a", ("-----BEGIN RSA PRIVATE KEY-----" + "a: " * 20_000).encode()))
    list(disclosures(".env", ("A=" + " " * 500_000 + "\n").encode()))
    list(disclosures("a", b"-----BEGIN " + b"A " * 100_000))
