"""The bounded YAML reader."""

import pytest
import yaml

from observer_contracts.evidence.yaml_documents import Fields, read_documents, resolve
from observer_core.errors import InputError


def _one(text: str) -> object:
    return next(iter(read_documents(text, "f.yaml")))


def test_lines_of_keys_and_items_are_known() -> None:
    """Every key and item has its own line, counted from 1, in the second document too."""
    first, second = read_documents("a: 1\nb:\n  - x\n  - y: 2\n---\nc: 3\n", "f.yaml")
    assert isinstance(first, Fields)
    assert first.lines == {"a": 1, "b": 2}
    assert first["b"].lines == [3, 4]
    assert first["b"][1].lines == {"y": 4}
    assert second.lines == {"c": 6}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("'1'", "1"),
        ('"true"', "true"),
        ("true", True),
        ("off", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0x10", 16),
        ("0o17", 15),
        ("017", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("2026-02-06", "2026-02-06"),
        ("08", 8.0),
        ("10Gi", "10Gi"),
        ("a#b", "a#b"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
    ],
)
def test_plain_scalars_are_read_as_kubernetes_reads_them(text: str, value: object) -> None:
    """Quoted scalars stay text; plain ones become numbers, truth values or nothing."""
    found = resolve(text) if text in ("", "-", "+", ".") else _one(f"a: {text}")["a"]  # type: ignore[index]
    assert found == value
    assert type(found) is type(value)


def test_aliases_and_merges_are_expanded() -> None:
    """An alias is the anchored value; a merge fills in what the mapping does not have itself."""
    found = _one("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: [*b]\n")
    assert found["use"] == {"x": 1, "y": 3}  # type: ignore[index]
    assert found["list"] == [{"x": 1, "y": 2}]  # type: ignore[index]


def test_it_agrees_with_pyyaml_on_the_rendered_deployment(production) -> None:
    """On real manifests the reader and PyYAML's safe loader build the same values."""
    text = yaml.safe_dump_all(production)
    assert list(read_documents(text, "f.yaml")) == list(yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands twice (first on line 1)"),
        ("a: !!python/name:os.system x\n", 1, "tag"),
        ("a:\n  b: [1\n", 3, ""),
        ("a: &x [*x]\n", 1, "alias"),
        ("\n\n? [a]\n: b\n", 3, "key"),
    ],
)
def test_a_refusal_names_file_line_and_reason(text: str, line: int, problem: str) -> None:
    """The error can be acted on without opening the file twice."""
    with pytest.raises(InputError) as caught:
        list(read_documents(text, "dir/f.yaml"))
    assert str(caught.value).startswith(f"dir/f.yaml:{line}:")
    assert problem in str(caught.value)
