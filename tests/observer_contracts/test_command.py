"""The command line: exit status, formats, and what it says of wrong usage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from observer_contracts.evidence import kustomize

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = Path(__file__).parent / "fixtures/specification/infra/k8s/overlays/production"
PRODUCTION = ROOT / "deploy/overlays/production"


def _run(*words: str, stdin: bytes = b"", cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "observer", "contracts", *words],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=cwd,
    )


def test_the_repositorys_own_deployment_passes() -> None:
    """Base and production pass with nothing worse than WARN."""
    for folder in ("deploy/base", "deploy/overlays/production"):
        done = _run("verify", "--manifests", folder, "--format", "json")
        summary = json.loads(done.stdout)["summary"]
        assert done.returncode == 0
        assert set(summary["by_status"]) <= {"PASS", "WARN"}


def test_json_has_the_fields_of_the_issue() -> None:
    """Every field that the issue names is there, and no other."""
    done = _run("verify", "--manifests", str(OVERLAY), "--format", "json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert set(answer) == {"schema", "summary", "results"}
    assert answer["schema"] == 1
    assert set(answer["summary"]) == {"by_status", "by_contract"}
    for result in answer["results"]:
        assert set(result) == {
            "rule",
            "contract",
            "cf",
            "incident",
            "severity",
            "status",
            "title",
            "object",
            "expected",
            "observed",
            "evidence",
            "remedy",
        }
        for evidence in result["evidence"]:
            assert set(evidence) == {"source", "file", "line", "object", "field"}
    assert sum(answer["summary"]["by_status"].values()) == len(answer["results"])


@pytest.mark.parametrize(("severity", "status"), [("critical", 0), ("high", 1), ("medium", 1), ("low", 1)])
def test_fail_on_decides_the_status(tmp_path: Path, severity: str, status: int) -> None:
    """A finding of high severity fails the command from `high` downwards."""
    text = kustomize.render(PRODUCTION, kustomize.read_sources(PRODUCTION)).encode()
    broken = text.replace(b"enableServiceLinks: false", b"enableServiceLinks: true")
    assert _run("verify", "--manifests", "-", "--fail-on", severity, stdin=broken).returncode == status


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_marked_encoding_and_line_end_is_read(encoding: str) -> None:
    """PowerShell's UTF-16 with a mark and CRLF reads like UTF-8."""
    text = kustomize.render(PRODUCTION, kustomize.read_sources(PRODUCTION))
    done = _run(
        "verify", "--manifests", "-", "--format", "json", stdin=text.replace("\n", "\r\n").encode(encoding)
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["summary"]["by_status"]["PASS"] > 100


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("verify",),
        ("verify", "--manifests", "/proc/nowhere"),
        ("verify", "--repo", "/proc/nowhere"),
        ("verify", "--explain", "XYZ-1"),
        ("verify", "--manifests", str(OVERLAY), "--only", "XYZ-1"),
        ("verify", "--manifests", str(OVERLAY), "--fail-on", "never"),
        ("verify", "--manifests", str(OVERLAY), "--config", "/proc/nowhere"),
        ("report", "--lang", "de", "--manifests", str(OVERLAY)),
        ("verify", "--manifests", str(OVERLAY), "--output", "/proc/nowhere/x"),
    ],
)
def test_wrong_usage_has_status_2_and_says_why(words: tuple[str, ...]) -> None:
    """No traceback, one line on standard error, status 2."""
    done = _run(*words)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert b"Traceback" not in done.stderr


def test_only_runs_what_is_named() -> None:
    """`--only` takes several ids, separated by blanks or commas."""
    done = _run(
        "verify", "--manifests", str(OVERLAY), "--only", "SEC-001,VOL-001", "VOL-004", "--format", "json"
    )
    assert {result["rule"] for result in json.loads(done.stdout)["results"]} == {
        "SEC-001",
        "VOL-001",
        "VOL-004",
    }


def test_explain_prints_the_rule() -> None:
    """`--explain` needs no evidence."""
    done = _run("verify", "--explain", "sec-001")
    assert done.returncode == 0
    assert b"CF-1" in done.stdout


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    """With `--output` standard output stays empty, and HTML is one whole page."""
    page = tmp_path / "page.html"
    done = _run("verify", "--manifests", str(OVERLAY), "--format", "html", "--output", str(page))
    assert (done.returncode, done.stdout) == (1, b"")
    assert page.read_text().startswith("<!doctype html>")
    assert page.read_text().rstrip().endswith("</html>")


def test_a_failed_render_is_a_finding_with_status_2(tmp_path: Path) -> None:
    """The result is still complete JSON, and every other rule is UNKNOWN."""
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    done = _run("verify", "--manifests", str(tmp_path), "--format", "json")
    by_rule = {result["rule"]: result["status"] for result in json.loads(done.stdout)["results"]}
    assert done.returncode == 2
    assert by_rule.pop("RND-001") == "FAIL"
    assert set(by_rule.values()) == {"UNKNOWN"}


EXEMPTION = """\
format: 1
exemptions:
  - rule: VOL-001
    object: Deployment/observer
    owner: operations
    reason: the node's folder is edited during phase 0
    expires: {day}
"""


def test_an_exemption_holds_until_its_end(tmp_path: Path) -> None:
    """A current exemption makes the finding EXEMPT; an expired one leaves it and fails itself."""
    config = tmp_path / "contracts.yaml"
    for day, status, own in (("2099-01-01", "EXEMPT", "PASS"), ("2020-01-01", "FAIL", "FAIL")):
        config.write_text(EXEMPTION.format(day=day))
        done = _run("verify", "--manifests", str(OVERLAY), "--config", str(config), "--format", "json")
        found = {
            r["rule"]: r["status"]
            for r in json.loads(done.stdout)["results"]
            if (r["rule"] in ("VOL-001", "EXM-001") and r["status"] != "PASS") or r["rule"] == "EXM-001"
        }
        assert found == {"VOL-001": status, "EXM-001": own}


def test_an_unused_exemption_fails(tmp_path: Path) -> None:
    """An exemption for something that passes is itself a finding."""
    config = tmp_path / "contracts.yaml"
    config.write_text(EXEMPTION.format(day="2099-01-01"))
    done = _run("verify", "--manifests", str(PRODUCTION), "--config", str(config), "--format", "json")
    found = [r for r in json.loads(done.stdout)["results"] if r["rule"] == "EXM-001"]
    assert [(r["status"], r["object"]) for r in found] == [("FAIL", "VOL-001 on Deployment/observer")]


@pytest.mark.parametrize(("language", "word"), [("en", "Verdict per contract"), ("ko", "계약별 판정")])
def test_the_report_is_written_in_both_languages(language: str, word: str) -> None:
    """Inventory, cross tables, findings and verdicts are there in Markdown and HTML."""
    for name in ("markdown", "html"):
        done = _run("report", "--lang", language, "--manifests", str(OVERLAY), "--format", name)
        text = done.stdout.decode()
        assert done.returncode == 0
        assert word in text
        for part in ("observer-data-pvc", "OBSERVER_SNAPSHOT_DIR", "obs-kiwoom-secret", "CF-7"):
            assert part in text


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        (("RND-001",), 0),
        (("RND-001", "VOL-008"), 3),
        (("VOL-008",), 3),
        (("SEC-001,PATH-004",), 3),
        (("EXM-001",), 0),
    ],
)
def test_a_named_rule_without_an_answer_is_not_green(rules: tuple[str, ...], status: int) -> None:
    """Manifests tell nothing about a disk: whoever asks for it by name learns that it was not seen."""
    done = _run("verify", "--manifests", str(PRODUCTION), "--only", *rules, "--format", "json")
    assert done.returncode == status
    results = json.loads(done.stdout)["results"]
    assert {name for words in rules for name in words.split(",")} == {result["rule"] for result in results}
    unseen = [result for result in results if result["status"] == "UNKNOWN"]
    assert all("--runtime" in result["observed"] for result in unseen)
    assert bool(unseen) == (status == 3)


def test_findings_outweigh_what_was_not_seen() -> None:
    """A finding is status 1, whatever else could not be looked at."""
    assert _run("verify", "--manifests", str(OVERLAY), "--only", "SEC-001", "VOL-008").returncode == 1


def test_a_gate_refuses_on_findings_only(tmp_path: Path) -> None:
    """1 for findings, 0 for wrong parameters and for what cannot be seen, each with its reason."""
    refused = _run("verify", "--manifests", str(OVERLAY), "--gate")
    assert refused.returncode == 1
    assert b"refused because of" in refused.stderr
    broken = tmp_path / "contracts.yaml"
    broken.write_text("format: 9\n")
    unread = _run("verify", "--manifests", str(OVERLAY), "--gate", "--config", str(broken))
    assert unread.returncode == 0
    assert b"not verified, and let through" in unread.stderr
    assert _run("verify", "--manifests", str(PRODUCTION), "--gate", "--only", "VOL-008").returncode == 0


def test_the_database_costs_less_inside_of_the_pod() -> None:
    """The collector records without a database: there its contract is not critical, in manifests it is."""
    explained = _run("verify", "--explain", "DB-001").stdout.decode()
    assert "critical (in the pod: high)" in explained


def test_a_report_without_evidence_looks_at_the_repository_it_stands_in() -> None:
    """The command of the README works from a clone, and says what it looked at."""
    done = _run("report", "--lang", "ko")
    assert done.returncode == 0
    assert "계약별 판정" in done.stdout.decode()
    assert b"--manifests deploy/overlays/production --repo ." in done.stderr


def test_a_report_without_evidence_elsewhere_asks_for_it(tmp_path: Path) -> None:
    """Where there is no deployment, nothing is guessed."""
    done = _run("report", cwd=tmp_path)
    assert done.returncode == 2
    assert b"Give --manifests PATH" in done.stderr


def test_the_reason_of_a_gate_has_one_full_stop() -> None:
    """What a finding says may end a sentence itself."""
    refused = _run("verify", "--manifests", str(OVERLAY), "--gate")
    assert b".. Remedy" not in refused.stderr
    assert b". Remedy: " in refused.stderr
