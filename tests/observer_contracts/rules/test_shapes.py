"""The table of Kubernetes fields is the official client's."""

import importlib.util
from pathlib import Path


def test_the_table_is_current() -> None:
    """`python tests/observer_contracts/rules/kubernetes_shapes.py` was run with the installed client."""
    specification = importlib.util.spec_from_file_location(
        "kubernetes_shapes", Path(__file__).with_name("kubernetes_shapes.py")
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.FILE.read_text(encoding="utf-8") == module.text()
