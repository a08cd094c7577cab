"""`observer secrets` as a person runs it: what it writes can be opened, and nothing it says is secret."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer.__main__ import main
from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import Parameters
from observer_contracts.evidence.document_claims import secret_commands
from observer_contracts.sealing.guide import secrets_guide
from observer_contracts.sealing.values import read_values

ROOT = Path(__file__).resolve().parents[3]
LABEL = "observer-prod/observer-secrets"
VALUES = {
    "DB_USER": "observer",
    "DB_PASSWORD": "pw-0a3b9c1d",
    "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
    "KIS_APP_SECRET": "s" * 100 + "/+=" + "S" * 77,
    "KIS_HTS_ID": "trader01",
}


@dataclass(frozen=True)
class Done:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs `observer secrets` in the repository, without a terminal and with the given variables only."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        monkeypatch.chdir(ROOT)

        def command(*words: str, environment: dict[str, str] | None = None) -> Done:
            with monkeypatch.context() as patch:
                for name, value in (environment or {}).items():
                    patch.setenv(name, value)
                status = main(["secrets", *words])
            said = capsys.readouterr()
            return Done(status, said.out, said.err)

        yield command


def _says_no_secret(done: Done) -> None:
    said = done.stdout + done.stderr
    assert [key for key, value in VALUES.items() if key != "DB_USER" and value in said] == []


@pytest.fixture
def filled(run: Run, tmp_path: Path) -> Path:
    """The template of the command, filled in as its own comments say."""
    text = run("template").stdout
    for key, value in VALUES.items():
        text = text.replace(f"<{key}>", value)
    path = tmp_path / "values.env"
    path.write_text(text)
    return path


def _unsealed(text: str, controller: Any) -> dict[str, str]:
    sealed = yaml.safe_load(text)
    assert (sealed["kind"], sealed["metadata"]["name"]) == ("SealedSecret", "observer-secrets")
    return {key: controller.unseal(blob, LABEL) for key, blob in sealed["spec"]["encryptedData"].items()}


def test_a_filled_template_is_sealed_and_opens(
    run: Run, filled: Path, tmp_path: Path, controller: Any
) -> None:
    """The independent implementation of the format opens all thirteen values."""
    output = tmp_path / "observer-secrets.yaml"
    done = run(
        "seal", "--cert", str(controller.certificate), "--values", str(filled), "--output", str(output)
    )
    assert (done.returncode, done.stderr) == (0, "")
    _says_no_secret(done)
    found = _unsealed(output.read_text(), controller)
    assert set(found) == {*declare().secret.keys, "postgresql-password"}
    assert VALUES.items() <= found.items()
    assert (found["PGPASSWORD"], found["POSTGRES_DB"]) == (VALUES["DB_PASSWORD"], "observer")
    assert [path.name for path in tmp_path.iterdir() if path != filled] == ["observer-secrets.yaml"]


def test_another_name_cannot_open_it(run: Run, filled: Path, controller: Any) -> None:
    """Scope strict: the same blob under another namespace stays shut."""
    done = run("seal", "--cert", str(controller.certificate), "--values", str(filled))
    blob = yaml.safe_load(done.stdout)["spec"]["encryptedData"]["KIS_APP_KEY"]
    for label in ("observer-staging/observer-secrets", "observer-prod/obs-kis-secret", ""):
        with pytest.raises(ValueError, match="sealed for another"):
            controller.unseal(blob, label)


def test_two_seals_have_nothing_in_common(run: Run, filled: Path, controller: Any) -> None:
    """A session key is never used twice; otherwise the zero nonce would tell values."""
    texts = [
        run("seal", "--cert", str(controller.certificate), "--values", str(filled)).stdout for _ in range(2)
    ]
    first, second = (yaml.safe_load(text)["spec"]["encryptedData"] for text in texts)
    assert not set(first.values()) & set(second.values())
    assert first["DB_PASSWORD"] != first["PGPASSWORD"]


def test_the_environment_is_a_source(run: Run, controller: Any) -> None:
    """For a shell that has the values already, such as that of a CI job."""
    done = run("seal", "--cert", str(controller.certificate), "--from-environment", environment=VALUES)
    _says_no_secret(done)
    assert VALUES.items() <= _unsealed(done.stdout, controller).items()


def test_without_source_and_terminal_it_says_so(run: Run, controller: Any) -> None:
    """Nobody is asked for a password through a pipe."""
    done = run("seal", "--cert", str(controller.certificate))
    assert done.returncode == 1
    assert "no terminal" in done.stderr


@pytest.mark.parametrize("form", ["env", "manifest"])
def test_a_template_as_it_stands_is_refused(run: Run, form: str, tmp_path: Path, controller: Any) -> None:
    """Both forms list every key, and neither can be sealed unfilled."""
    text = run("template", "--format", form).stdout
    secret = declare().secret
    assert [key for key in (*secret.keys, *secret.optional_keys) if key not in text] == []
    path = tmp_path / "values"
    path.write_text(text)
    assert set(read_values(path, declare())) == {*secret.keys, "postgresql-password"}
    done = run("seal", "--cert", str(controller.certificate), "--values", str(path))
    assert done.returncode == 1
    assert "KIS_APP_KEY is a placeholder" in done.stderr
    assert done.stdout == ""


def test_a_certificate_that_does_not_fit_is_refused(
    run: Run, filled: Path, tmp_path: Path, other_controller: Any
) -> None:
    """Expired, or something else altogether."""
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for path, problem in (
        (other_controller.certificate, "which is not now"),
        (text, "is no certificate"),
        (tmp_path / "absent", "cannot be read"),
    ):
        done = run("seal", "--cert", str(path), "--values", str(filled))
        assert done.returncode == 1
        assert problem in done.stderr
        _says_no_secret(done)


def test_an_overlay_of_another_namespace_is_refused(
    run: Run, filled: Path, tmp_path: Path, controller: Any
) -> None:
    """Values sealed for production would be dead in staging (I-17)."""
    overlay = tmp_path / "overlay"
    (overlay / "secrets").mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("namespace: observer-staging\n")
    output = overlay / "secrets/observer-secrets.yaml"
    words = ["seal", "--cert", str(controller.certificate), "--values", str(filled), "--output", str(output)]
    done = run(*words)
    assert done.returncode == 1
    assert "whose namespace is observer-staging" in done.stderr
    assert not output.exists()
    config = tmp_path / "contracts.yaml"
    config.write_text("format: 1\nnamespace: observer-staging\n")
    assert run(*words, "--config", str(config)).returncode == 0
    blob = yaml.safe_load(output.read_text())["spec"]["encryptedData"]["KIS_HTS_ID"]
    assert controller.unseal(blob, "observer-staging/observer-secrets") == "trader01"


@pytest.fixture
def deployments(tmp_path: Path) -> Path:
    """The repository's base and overlays, to be written into."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path / "deploy"


@pytest.mark.parametrize("there", [True, False], ids=["over the file", "in its place"])
@pytest.mark.parametrize(
    ("overlay", "file", "owner"),
    [
        ("staging", "base", "observer-prod"),
        ("local-k3s", "base", "observer-prod"),
        ("staging", "overlays/local-k3s", "observer-local"),
        ("production", "overlays/staging", "observer-staging"),
    ],
)
def test_another_deployments_file_is_refused_and_stays(
    run: Run,
    filled: Path,
    deployments: Path,
    controller: Any,
    *,
    overlay: str,
    file: str,
    owner: str,
    there: bool,
) -> None:
    """Also where the file is in a base that sets no namespace, and where it was taken away before."""
    output = deployments / file / "secrets/observer-secrets.yaml"
    before = output.read_text()
    if not there:
        output.unlink()
    config = deployments / "overlays" / overlay / "contracts.yaml"
    words = ["seal", "--cert", str(controller.certificate), "--values", str(filled), "--output", str(output)]
    done = run(*words, *(["--config", str(config)] if config.exists() else []))
    assert done.returncode != 0
    assert owner in done.stderr
    assert "--config" in done.stderr
    assert output.exists() is there
    assert not there or output.read_text() == before


@pytest.mark.parametrize("there", [True, False], ids=["over the file", "in its place"])
@pytest.mark.parametrize(
    ("overlay", "file"),
    [("production", "base"), ("staging", "overlays/staging"), ("local-k3s", "overlays/local-k3s")],
)
def test_the_deployments_own_file_is_written(
    run: Run, filled: Path, deployments: Path, controller: Any, *, overlay: str, file: str, there: bool
) -> None:
    """Production's lies in the base, which the other overlays include and take it away from."""
    output = deployments / file / "secrets/observer-secrets.yaml"
    before = output.read_text()
    if not there:
        output.unlink()
    config = deployments / "overlays" / overlay / "contracts.yaml"
    words = ["seal", "--cert", str(controller.certificate), "--values", str(filled), "--output", str(output)]
    done = run(*words, *(["--config", str(config)] if config.exists() else []))
    assert (done.returncode, done.stderr) == (0, "")
    assert output.read_text() != before


# Stands in for kubeseal, which has no package here: it writes down how it was called and hands over to our
# own sealing, so that only the way to the program is tested.
_STAND_IN = """#!{python}
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {root!r})
import base64
from observer_contracts.sealing.native import public_key, seal_value
call = {{"arguments": sys.argv[1:], "environment": dict(os.environ)}}
Path({record!r}).write_text(json.dumps(call))
if {fails!r}:
    sys.exit("error: cannot fetch certificate")
secret = json.load(sys.stdin)
label = secret["metadata"]["namespace"] + "/" + secret["metadata"]["name"]
key = public_key(Path(sys.argv[2]).read_bytes(), datetime.now(UTC))
values = {{k: base64.b64decode(v).decode() for k, v in secret["data"].items()}}
sealed = {{k: seal_value(v, key, label, os.urandom) for k, v in values.items()}}
print(json.dumps({{"spec": {{"encryptedData": sealed}}}}))
"""


@pytest.mark.parametrize("fails", [False, True])
def test_kubeseal_gets_the_values_by_its_input_only(
    run: Run, fails: bool, filled: Path, tmp_path: Path, controller: Any
) -> None:
    """Neither arguments nor environment of the program carry a value; its failure is one line."""
    tools = tmp_path / "bin"
    tools.mkdir()
    program, record = tools / "kubeseal", tmp_path / "call.json"
    program.write_text(
        _STAND_IN.format(python=sys.executable, root=str(ROOT), record=str(record), fails=fails)
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    words = ["seal", "--cert", str(controller.certificate), "--values", str(filled)]
    done = run(*words, environment={"PATH": path})
    _says_no_secret(done)
    call = record.read_text()
    assert [key for key, value in VALUES.items() if key != "DB_USER" and value in call] == []
    assert '"--scope", "strict"' in call
    if fails:
        assert done.returncode == 1
        assert "cannot fetch certificate" in done.stderr
    else:
        assert VALUES.items() <= _unsealed(done.stdout, controller).items()
        assert "Sealed by kubeseal" in done.stdout


def test_native_is_chosen_when_asked_for(run: Run, filled: Path, tmp_path: Path, controller: Any) -> None:
    """A broken kubeseal on the path can be passed by."""
    program = tmp_path / "kubeseal"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    words = ["seal", "--cert", str(controller.certificate), "--values", str(filled), "--native"]
    done = run(*words, environment={"PATH": path})
    assert VALUES.items() <= _unsealed(done.stdout, controller).items()


def test_the_guide_in_the_repository_is_current() -> None:
    """`observer secrets guide > docs/operations/secrets.md` after a change of the declaration."""
    assert (ROOT / "docs/operations/secrets.md").read_text() == secrets_guide(declare())


def test_the_guides_command_has_every_key() -> None:
    """CF-2: the manual path gives the Secret each needed key, also under another name and namespace."""
    declaration = declare(Parameters(namespace="observer-staging", secret="other-secrets"))
    text = secrets_guide(declaration)
    commands = [found for found in secret_commands("secrets.md", text) if found.name == "other-secrets"]
    assert [set(command.keys) for command in commands] == [{*declaration.secret.keys, "postgresql-password"}]
    assert "-n observer-staging" in text
