"""Values of declared secrets are found where a configuration or a script sets them."""

import pytest

from observer_contracts.evidence.disclosures import DisclosureKind, disclosures

VALUE = "pw-0a3b9c1d"
FENCED = "# Guide\n\n```yaml\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  DB_PASSWORD: {value}\n```\n"
CONFIG_MAP = "kind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  DB_PASSWORD: '{value}'\n"
POD = "kind: Pod\nspec:\n  containers:\n  - env:\n    - name: KIS_APP_SECRET\n      value: '{value}'\n"
SETTING = {
    "Dockerfile": "FROM a\nENV KIS_APP_SECRET={value}\n",
    "run.sh": "#!/bin/sh\nexport KIS_APP_SECRET={value}\n",
    "ci/run": "#!/usr/bin/env bash\nDB_PASSWORD='{value}' program\n",
    "config.yaml": CONFIG_MAP,
    "pod.yaml": POD,
}


def _found(path: str, text: str) -> list[tuple[DisclosureKind, tuple[str, ...]]]:
    return [(found.kind, found.keys) for found in disclosures(path, text.encode())]


@pytest.mark.parametrize("path", SETTING)
def test_a_literal_value_is_found(path: str) -> None:
    """The declared name with a value is a disclosure, in each kind of file."""
    text = SETTING[path].format(value=VALUE)
    name = "DB_PASSWORD" if "DB_PASSWORD" in text else "KIS_APP_SECRET"
    assert _found(path, text) == [(DisclosureKind.LITERAL, (name,))]


@pytest.mark.parametrize("path", SETTING)
@pytest.mark.parametrize(
    "value", ["", "<password>", "$OTHER", "${{OTHER:-}}", "...", "$(cat file)", "CHANGE_ME"]
)
def test_a_reference_or_a_stand_in_is_none(path: str, value: str) -> None:
    """What is taken from elsewhere, or is plainly to be filled in, discloses nothing."""
    assert _found(path, SETTING[path].format(value=value)) == []


def test_other_names_are_left_alone() -> None:
    """Only declared secrets are searched for, whatever a value looks like."""
    assert (
        _found("run.sh", "#!/bin/sh\nexport BUILD=9f86d081884c7d659a2feaa0c55ad015\nDB_HOST=postgres\n") == []
    )


def test_a_secret_between_fences_is_found_with_its_line() -> None:
    """A document that shows a filled Secret gives it away; one with stand-ins does not."""
    [found] = disclosures("guide.md", FENCED.format(value=VALUE).encode())
    assert (found.kind, found.line, found.keys) == (DisclosureKind.SECRET, 6, ("DB_PASSWORD",))
    assert _found("guide.md", FENCED.format(value="<password>")) == []
