"""The operator's guides: every part ends with its proof, and names only what is in the repository."""

import re

import pytest
from renderings import ROOT, Rendering

FOLDER = ROOT / "docs/operations"
GUIDES = ("install.md", "rotate-keys.md", "move-volumes.md", "upgrade.md")


def _parts(guide: str) -> dict[str, str]:
    sections = re.split(r"^## ", (FOLDER / guide).read_text(), flags=re.MULTILINE)[1:]
    return {title: text for title, _, text in (section.partition("\n") for section in sections)}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_part_is_proved(guide: str) -> None:
    """A part says how to see that it worked, with a command."""
    parts = _parts(guide)
    assert len(parts) >= 5
    unproved = [
        title for title, text in parts.items() if not re.search(r"^Proof[^`]*`", text, flags=re.MULTILINE)
    ]
    assert unproved == []


def test_the_installation_has_ten_steps() -> None:
    """Numbered without a gap."""
    assert [title.partition(".")[0] for title in _parts("install.md")] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize("guide", [*GUIDES, "secrets.md", "resources.md"])
def test_files_that_a_guide_names_are_there(guide: str) -> None:
    """A renamed file is renamed in the guides too."""
    text = (FOLDER / guide).read_text()
    folders = "deploy/(?:argocd|base|components|overlays)|helm-values|docs|observer_contracts"
    named = set(re.findall(rf"\b(?:{folders})(?:/[-\w.*/]*\w)?", text))
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []


@pytest.mark.parametrize("guide", [*GUIDES, "cluster.md"])
def test_objects_that_a_guide_names_are_rendered(guide: str, production: Rendering) -> None:
    """`kubectl … statefulset/postgres` finds something; Dagster's own objects come from its chart."""
    text = (FOLDER / guide).read_text()
    kinds = {
        "deployment": "Deployment",
        "deploy": "Deployment",
        "statefulset": "StatefulSet",
        "svc": "Service",
    }
    named = set(re.findall(r"\b(deployment|deploy|statefulset|svc)/([a-z][-a-z0-9]*)(?![-\w./])", text))
    claims = set(re.findall(r"\bobserver-[a-z]+-pvc\b", text))
    rendered = {(found["kind"], found["metadata"]["name"]) for found in production.documents}
    missing = {(kind, name) for kind, name in named if (kinds[kind], name) not in rendered}
    assert {name for _, name in missing if not name.startswith("dagster")} <= {"argocd"}
    assert {claim for claim in claims if ("PersistentVolumeClaim", claim) not in rendered} == set()
