"""Which values are refused, and that no message names one."""

from pathlib import Path

import pytest
import yaml

from observer_contracts.declaration.build import declare
from observer_contracts.sealing.entries import entries
from observer_contracts.sealing.values import ask_values, checked, read_values, values_from_environment
from observer_core.errors import ConfigurationError, InputError

# The thirteen keys of the specification (section 1-2 and its last priorities), with values of their shape.
FILLED = {
    "DB_USER": "observer",
    "DB_PASSWORD": "pw-0a3b9c1d",
    "POSTGRES_USER": "${DB_USER}",
    "POSTGRES_PASSWORD": "${DB_PASSWORD}",
    "POSTGRES_DB": "observer",
    "PGHOST": "postgres",
    "PGPORT": "5432",
    "PGDATABASE": "observer",
    "PGUSER": "${DB_USER}",
    "PGPASSWORD": "${DB_PASSWORD}",
    "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
    "KIS_APP_SECRET": "s" * 100 + "/+=" + "S" * 77,
    "KIS_HTS_ID": "trader01",
}


def test_copies_are_resolved() -> None:
    """A reference to another key gives that key's value; nothing is added."""
    values = checked(FILLED | {"postgresql-password": "${DB_PASSWORD}"}, declare())
    assert set(values) == {*FILLED, "postgresql-password"}
    assert values["postgresql-password"] == "pw-0a3b9c1d"
    assert {values["POSTGRES_USER"], values["PGUSER"]} == {"observer"}
    assert {values["POSTGRES_PASSWORD"], values["PGPASSWORD"]} == {"pw-0a3b9c1d"}


@pytest.mark.parametrize("key", FILLED)
def test_a_missing_key_is_named(key: str) -> None:
    """Each of the thirteen keys is needed (CF-2)."""
    with pytest.raises(InputError, match=rf"\b{key} is missing"):
        checked({name: value for name, value in FILLED.items() if name != key}, declare())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("<KIS_APP_KEY>", "is a placeholder"),
        ("changeme", "is a placeholder"),
        ("your-app-key", "is a placeholder"),
        ("${KIS_KEY}", "is a placeholder"),
        ("$KIS_APP_KEY", "is a placeholder"),
        ("xxxxxxxx", "is a placeholder"),
        ("PSabc\n", "line end"),
        (" PSabc", "begins or ends with a blank"),
    ],
)
def test_a_value_that_is_none_is_refused(value: str, problem: str) -> None:
    """What is empty, was not filled in, or carries a line end is never sealed."""
    with pytest.raises(InputError, match=f"KIS_APP_KEY {problem}|KIS_APP_KEY .*{problem}"):
        checked(FILLED | {"KIS_APP_KEY": value}, declare())


def test_an_unknown_key_is_refused() -> None:
    """A misspelt optional key would be sealed and read by nobody."""
    with pytest.raises(InputError, match="KIWOOM_APPKEY is no key"):
        checked(FILLED | {"KIWOOM_APPKEY": "value-1"}, declare())


@pytest.mark.parametrize("key", ["POSTGRES_DB", "PGHOST", "PGPORT", "PGDATABASE"])
def test_a_value_that_the_contract_knows_must_be_that_one(key: str) -> None:
    """Another database name or host breaks contract 2 where no manifest shows it."""
    with pytest.raises(InputError, match=f"{key} must be"):
        checked(FILLED | {key: "elsewhere"}, declare())


def test_one_role_has_one_password() -> None:
    """The copies of a password may not drift apart."""
    with pytest.raises(InputError, match="POSTGRES_PASSWORD differs from DB_PASSWORD"):
        checked(FILLED | {"POSTGRES_PASSWORD": "pw-another"}, declare())
    two_roles = FILLED | {"POSTGRES_USER": "administrator", "POSTGRES_PASSWORD": "pw-another"}
    assert checked(two_roles, declare())["POSTGRES_PASSWORD"] == "pw-another"


def test_the_role_is_the_one_that_dagsters_values_name() -> None:
    """The chart takes the role from its values, so that another one in the Secret locks Dagster out."""
    values = yaml.safe_load((Path(__file__).resolve().parents[3] / "helm-values/dagster.yaml").read_text())
    assert values["postgresql"]["postgresqlUsername"] == FILLED["DB_USER"]
    with pytest.raises(InputError, match="DB_USER must be observer"):
        checked(FILLED | {"DB_USER": "platform"}, declare())


def test_messages_name_no_value() -> None:
    """Whatever is wrong, the message tells keys."""
    broken = {key: f"leak-{number} " for number, key in enumerate(FILLED)}
    with pytest.raises(InputError) as caught:
        checked(broken, declare())
    assert "leak-" not in str(caught.value)
    assert str(caught.value).count("begins or ends") == len(FILLED)


def _write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_file_of_lines_is_read(tmp_path: Path) -> None:
    """Comments, `export`, quotes, `=` in values and a UTF-16 file of PowerShell are understood."""
    text = "# note\n\nexport DB_USER=observer\nKIS_APP_SECRET='a=b=='\nKIS_HTS_ID=\"t r\"\n"
    expected = {"DB_USER": "observer", "KIS_APP_SECRET": "a=b==", "KIS_HTS_ID": "t r"}
    assert read_values(_write(tmp_path / "a", text), declare()) == expected
    assert read_values(_write(tmp_path / "b", text.encode("utf-16")), declare()) == expected


def test_a_manifest_is_read(tmp_path: Path) -> None:
    """`stringData` beats `data`, as in Kubernetes."""
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: observer-secrets, namespace: observer-prod}\n"
        "data: {DB_USER: b2JzZXJ2ZXI=, KIS_HTS_ID: b2xk}\nstringData: {KIS_HTS_ID: new}\n"
    )
    found = read_values(_write(tmp_path / "secret.yaml", text), declare())
    assert found == {"DB_USER": "observer", "KIS_HTS_ID": "new"}


@pytest.mark.parametrize(
    "metadata",
    ["{name: observer-secrets, namespace: default}", "{name: obs-db-secret, namespace: observer-prod}", "{}"],
)
def test_a_manifest_of_another_secret_is_refused(tmp_path: Path, metadata: str) -> None:
    """A strict value opens under its own name and namespace only (CF-1)."""
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {metadata}\nstringData: {{DB_USER: leak}}\n"
    with pytest.raises(ConfigurationError, match="metadata"):
        read_values(_write(tmp_path / "secret.yaml", text), declare())


@pytest.mark.parametrize("text", ["DB_USER observer leak\n", "DB_USER=leak\nDB_USER=leak\n"])
def test_a_broken_file_names_the_line_and_no_value(tmp_path: Path, text: str) -> None:
    """The line's number is enough to find it."""
    with pytest.raises(InputError, match=r"values:[12]") as caught:
        read_values(_write(tmp_path / "values", text), declare())
    assert "leak" not in str(caught.value)


def test_a_file_inside_a_repository_is_refused(tmp_path: Path) -> None:
    """Plain values below `.git` are one `git add` away from everybody (CF-3)."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deploy").mkdir()
    with pytest.raises(InputError, match="lies in the repository"):
        read_values(_write(tmp_path / "deploy/values.env", "DB_USER=observer\n"), declare())


def test_the_environment_gives_the_declared_keys_only() -> None:
    """Whatever else is set stays where it is; what the contract knows needs no variable."""
    own = {
        key: FILLED[key] for key in ("DB_USER", "DB_PASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET", "KIS_HTS_ID")
    }
    found = checked(values_from_environment(own | {"HOME": "/root"}, declare()), declare())
    assert found == checked(FILLED | {"postgresql-password": "${DB_PASSWORD}"}, declare())


def test_a_person_is_asked_for_what_nobody_else_knows() -> None:
    """Four questions are needed; the optional ones may be left out."""
    asked: list[str] = []

    def ask(question: str) -> str:
        key = question.partition(" ")[0]
        asked.append(key)
        return FILLED.get(key, "")

    expected = checked(FILLED | {"postgresql-password": "${DB_PASSWORD}"}, declare())
    assert checked(ask_values(ask, declare()), declare()) == expected
    optional = [entry.key for entry in entries(declare()) if not entry.usual]
    assert asked == ["DB_PASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET", "KIS_HTS_ID", *optional]
