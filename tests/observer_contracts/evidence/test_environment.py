"""The kubelet's precedence, on examples worked out from its `makeEnvironmentVariables`."""

import io

import pytest

from observer_contracts.evidence.dockerfile import read_dockerfile
from observer_contracts.evidence.environment import Environment, Layer, environment_of
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.evidence.workloads import Workload

MAPS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
data: {A: first, B: first, PLAIN: "x", "not valid": "x", "1": "x"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
data: {B: second, C: second}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
data: {C: c2VjcmV0LXg=, TOKEN: ""}
stringData: {TOKEN: abcdef}
---
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers:
    - name: main
      image: x
"""
DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG BASE=python
FROM ${BASE}:3.11 AS build
ENV A=build ONLY_BUILD=1
FROM build AS final
ARG VERSION=7
ARG UNKNOWN
ENV A=image \\
    Z="a b" V=$VERSION W=${MISSING:-fallback} U=$UNKNOWN
ENV OLD value with blanks
USER 1000:1000
"""


def _environment(block: str, *, dockerfile: str = "") -> Environment:
    text = MAPS + "".join(f"      {line}\n" for line in block.splitlines())
    manifests = read_manifests(["-"], io.BytesIO(text.encode()))[0]
    assert manifests.problems == ()
    container = Workload(manifests.of("Pod")[0]).main
    assert container is not None
    return environment_of(
        container, manifests, read_dockerfile(dockerfile, "Dockerfile") if dockerfile else None
    )


FROM = (
    "envFrom:\n- configMapRef: {name: first}\n- configMapRef: {name: second}\n- secretRef: {name: secret}\n"
)


def test_later_env_from_wins_over_earlier_and_env_over_both() -> None:
    """The last source wins, and what lost is remembered with its winner."""
    found = _environment(FROM + "env:\n- {name: A, value: own}\n- {name: A, value: last}")
    assert {name: found.effective[name].text for name in "ABC"} == {"A": "last", "B": "second", "C": None}
    assert found.effective["A"].layer is Layer.ENV
    assert [(w.name, w.origin, lost.origin) for w, lost in found.shadowed] == [
        ("B", "ConfigMap/second", "ConfigMap/first"),
        ("C", "Secret/secret", "ConfigMap/second"),
        ("A", "Pod/pod", "ConfigMap/first"),
        ("A", "Pod/pod", "Pod/pod"),
    ]


def test_the_image_loses_to_everything_and_is_not_shadowed() -> None:
    """The last stage's ENV is below all pod layers; arguments are expanded, unknown ones stay unknown."""
    found = _environment(FROM, dockerfile=DOCKERFILE)
    assert found.effective["A"].text == "first"
    assert {name: found.effective[name].text for name in ("Z", "V", "W", "U", "OLD", "ONLY_BUILD")} == {
        "Z": "a b",
        "V": "7",
        "W": "fallback",
        "U": None,
        "OLD": "value with blanks",
        "ONLY_BUILD": "1",
    }
    assert all(lost.layer is not Layer.IMAGE for _, lost in found.shadowed)
    assert read_dockerfile(DOCKERFILE, "Dockerfile").user == "1000:1000"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$(A)/x", "first/x"),
        ("$(LATER)", "$(LATER)"),
        ("$$(A)", "$(A)"),
        ("$(NOBODY)", "$(NOBODY)"),
        ("$A", "$A"),
        ("$(C)", None),
    ],
)
def test_references_are_expanded_with_what_is_known_by_then(value: str, expected: str | None) -> None:
    """Unknown names stay as written, `$$` is a dollar sign, a secret makes the whole value unknown."""
    found = _environment(FROM + f'env:\n- {{name: X, value: "{value}"}}\n- {{name: LATER, value: y}}')
    assert found.effective["X"].text == expected


def test_a_prefix_is_put_before_every_key() -> None:
    """`prefix` renames, and makes an invalid name valid."""
    found = _environment("envFrom:\n- prefix: P_\n  configMapRef: {name: first}")
    assert found.effective["P_A"].text == "first"
    assert "A" not in found.effective
    assert found.effective["P_1"].text == "x"


def test_names_that_are_no_variables_are_dropped() -> None:
    """A key with a blank or a leading digit never reaches the container."""
    found = _environment("envFrom:\n- configMapRef: {name: first}")
    assert {value.name for value in found.dropped} == {"not valid", "1"}
    assert "1" not in found.effective


def test_missing_references_say_what_is_missing() -> None:
    """Object and key are told apart, optional ones are marked, and string data win over data."""
    found = _environment(
        "envFrom:\n- configMapRef: {name: nobody}\n- secretRef: {name: nobody, optional: true}\n"
        "env:\n- {name: K, valueFrom: {configMapKeyRef: {name: first, key: GONE}}}\n"
        "- {name: T, valueFrom: {secretKeyRef: {name: secret, key: TOKEN}}}"
    )
    assert [(r.kind, r.name, r.key, r.missing, r.optional) for r in found.references] == [
        ("ConfigMap", "nobody", "", "object", False),
        ("Secret", "nobody", "", "object", True),
        ("ConfigMap", "first", "GONE", "key", False),
        ("Secret", "secret", "TOKEN", "", False),
    ]
    assert (found.effective["T"].text, found.effective["T"].length) == (None, 6)
    assert "K" not in found.effective
