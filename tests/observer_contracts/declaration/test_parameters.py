"""`contracts.yaml` is validated, field by field."""

from datetime import date
from pathlib import Path

import pytest

from observer_contracts.declaration.facts import Exemption, Producer
from observer_contracts.declaration.parameters import Parameters, read_parameters
from observer_core.errors import ConfigurationError
from observer_core.settings.brokers import KisEnvironment

GOOD = """\
format: 1
namespace: observer-staging
secret: creds
secret_producer: manual
broker_environment: paper
node_memory_gib: 8
external_secrets: [vault-made]
exemptions:
  - {rule: VOL-001, object: "Deployment/*", owner: ops, reason: phase 0, expires: 2026-12-31}
"""


def _read(tmp_path: Path, text: str) -> Parameters:
    path = tmp_path / "contracts.yaml"
    path.write_text(text)
    return read_parameters(path)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Every field arrives; what is left out has the specification's value."""
    found = _read(tmp_path, GOOD)
    assert found == Parameters(
        namespace="observer-staging",
        secret="creds",
        secret_producer=Producer.MANUAL,
        broker_environment=KisEnvironment.PAPER,
        node_memory_gib=8,
        external_secrets=("vault-made",),
        exemptions=(Exemption("VOL-001", "Deployment/*", "ops", "phase 0", date(2026, 12, 31)),),
    )
    assert found.pull_secret == "ghcr-secret"


def test_the_tracked_file_is_valid() -> None:
    """The repository's own parameters change nothing and exempt nothing."""
    assert read_parameters(Path(__file__).resolve().parents[3] / "contracts.yaml") == Parameters()


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("format: 2\n", 1, "format"),
        ("format: 1\nnamespce: x\n", 2, "namespce"),
        ("namespace: [x]\n", 1, "namespace"),
        ("namespace: Bad_Name\n", 1, "namespace"),
        ("secret: ''\n", 1, "secret"),
        ("secret_producer: magic\n", 1, "secret_producer"),
        ("broker_environment: demo\n", 1, "broker_environment"),
        ("node_memory_gib: 8Gi\n", 1, "node_memory_gib"),
        ("node_memory_gib: 0\n", 1, "node_memory_gib"),
        ("node_memory_gib: true\n", 1, "node_memory_gib"),
        ("external_secrets: x\n", 1, "external_secrets"),
        ("exemptions: {a: b}\n", 1, "exemptions"),
        ("exemptions: [x]\n", 1, "exemptions"),
        ("exemptions:\n  - {rule: A, object: b, owner: c, reason: d}\n", 2, "exemptions"),
        ("exemptions:\n  - {rule: A, object: b, owner: '', reason: d, expires: 2026-12-31}\n", 2, "owner"),
        (
            "exemptions:\n  - rule: A\n    object: b\n    owner: c\n    reason: d\n    expires: soon\n",
            6,
            "expires",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, text: str, line: int, field: str) -> None:
    """The error names file, line and field."""
    with pytest.raises(ConfigurationError) as caught:
        _read(tmp_path, text)
    assert f"contracts.yaml:{line}: `{field}`" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "a: 1\n---\nb: 2\n", "a: [", "a: 1\na: 2\n"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """A file of another shape is a configuration error, never a traceback."""
    with pytest.raises(ConfigurationError):
        _read(tmp_path, text)
