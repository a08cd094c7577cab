"""Documents name only what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_incidents_name_tests_that_exist() -> None:
    """A renamed test must be renamed in the list of incidents too."""
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", (ROOT / "docs/incidents.md").read_text()))
    suite = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_[a-z0-9_]+)", suite))
    assert named
    assert named - defined == set()


def test_every_incident_has_its_line() -> None:
    """Thirty-three things broke; none is forgotten."""
    lines = re.findall(r"^\| (I-\d\d) \|", (ROOT / "docs/incidents.md").read_text(), re.MULTILINE)
    assert lines == [f"I-{number:02d}" for number in range(1, 34)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """A link to a file of this repository leads to a file of this repository."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert missing == []
