"""What Helm's `--set` gives, as the verification takes it: `--helm-set`."""

import io
import re
import shlex
from typing import Any

import pytest
from renderings import ROOT, render

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import read_parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.helm.assignments import assigned, read_assignment
from observer_contracts.helm.values import read_values
from observer_contracts.model import Result, Status
from observer_core.errors import ConfigurationError

VALUES = ROOT / "helm-values"
SYSTEM, CODE = str(VALUES / "dagster.yaml"), str(VALUES / "dagster-code.yaml")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("a=b", {}, {"a": "b"}),
        ("a.b=1", {"a": {"c": 2}}, {"a": {"c": 2, "b": 1}}),
        ("a.b=true", {"a": 3}, {"a": {"b": True}}),
        ("a=null", {"a": {"b": 1}}, {"a": None}),
        ("a=", {}, {"a": ""}),
        ("a=007", {}, {"a": "007"}),
        ("a=1.13", {}, {"a": "1.13"}),
        (r"a.kubernetes\.io/hostname=x", {"a": {}}, {"a": {"kubernetes.io/hostname": "x"}}),
        ("a[1].b=x", {"a": [{"b": "y"}, {"b": "y", "c": "z"}]}, {"a": [{"b": "y"}, {"b": "x", "c": "z"}]}),
        ("a[1]=x", {}, {"a": [None, "x"]}),
        ("a=b=c", {}, {"a": "b=c"}),
    ],
)
def test_one_value_is_set_as_helm_sets_it(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Beside what there is, and with the type that Helm reads."""
    one = read_assignment(text)
    assert assigned(before, one.place, one.value) == after


@pytest.mark.parametrize(
    "text", ["a", "=b", "a=b,c=d", "a={b,c}", "[0].a=b", "a..b=c", ".a=b", "a[x]=b", "a.=b", "a[0]b=c"]
)
def test_what_helm_reads_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not one path with one value"):
        read_assignment(text)


def test_a_value_for_no_given_chart_is_refused() -> None:
    """A misspelt path would else be verified as if it were not there."""
    with pytest.raises(ConfigurationError, match="deployments"):
        read_values([SYSTEM], ["deployments[0].image.tag=x"])
    with pytest.raises(ConfigurationError, match="runLaunchr"):
        read_values([SYSTEM, CODE], ["runLaunchr.type=x"])


def _judged(*arguments: str, single: tuple[str, ...]) -> list[Result]:
    values = read_values(arguments, single)
    return [r for r in verify(Verification(declare(), values=values)) if r.status is not Status.PASS]


def test_what_is_set_is_judged_and_found_where_it_was_given() -> None:
    """Over the files, and not at the file's line, where another value stands."""
    assert _judged(SYSTEM, CODE, single=()) == []
    single = ("deployments[0].includeConfigInLaunchedRuns.enabled=true",)
    [found] = _judged(SYSTEM, CODE, single=single)
    assert (found.rule.id, found.status) == ("HLM-012", Status.FAIL)
    [place] = found.finding.evidence
    assert (place.file, place.line) == ("--helm-set", None)
    assert place.field == "deployments[0].includeConfigInLaunchedRuns.enabled"


def test_a_k3s_of_ones_own_is_verified_as_it_is_installed(tmp_path: Any) -> None:
    """Files and single values are those of the commands that install it, and of the guide's verification."""
    head = (VALUES / "dagster-dev.yaml").read_text().partition("\nimagePullSecrets")[0].replace("\n#", "\n")
    guide = (ROOT / "docs/operations/images.md").read_text()
    installed, verified = (_words(text, option) for text, option in ((head, "--set"), (guide, "--helm-set")))
    assert len(installed) == 5
    assert sorted(installed) == sorted(verified)
    files = list(dict.fromkeys(re.findall(r"-f (helm-values/\S+)", head)))
    own = guide.partition("## To a K3s of your own")[2].partition("\n## ")[0]
    assert re.findall(r"--helm-values (helm-values/\S+)", own) == files

    declaration = declare(read_parameters(ROOT / "deploy/overlays/local-k3s/contracts.yaml"))
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(render(tmp_path, "local-k3s", ()).text)
    manifests = read_manifests([str(rendered)], io.BytesIO())

    def failed(single: list[str], *only: str) -> set[str]:
        values = read_values([str(ROOT / file) for file in files], single)
        results = verify(Verification(declaration, manifests, values=values, only=only))
        return {result.rule.id for result in results if result.status is Status.FAIL}

    assert failed(installed) == set()
    # Each of them is needed, but the name of the node, which only Kubernetes knows.
    rules = ("HLM-007", "VOL-009")
    without = {
        one.partition("=")[0]: failed([two for two in installed if two != one], *rules) for one in installed
    }
    assert without["deployments[0].image.tag"] == {"HLM-007"}
    assert without["deployments[0].nodeSelector.observer/node"] == {"VOL-009"}


def _words(text: str, option: str) -> list[str]:
    """The single values of a text's commands, with the variables that the text itself sets."""
    [node] = set(re.findall(r"NODE='(.*)'", text))
    words = shlex.split(" ".join(re.findall(rf"{option} (\"[^\"]+\")", text)))
    return [word.replace("$NODE", node).replace("$(hostname)", "laptop") for word in words]
