"""The operator's guides: every part ends with its proof, and names only what is in the repository."""

import io
import re

import pytest
import yaml
from renderings import ROOT, Rendering

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status

FOLDER = ROOT / "docs/operations"
GUIDES = ("install.md", "rotate-keys.md", "move-volumes.md", "upgrade.md", "staging.md")


def _parts(guide: str) -> dict[str, str]:
    sections = re.split(r"^## ", (FOLDER / guide).read_text(), flags=re.MULTILINE)[1:]
    return {title: text for title, _, text in (section.partition("\n") for section in sections)}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_part_is_proved(guide: str) -> None:
    """A part says how to see that it worked, with a command."""
    parts = _parts(guide)
    assert len(parts) >= 4
    unproved = [
        title for title, text in parts.items() if not re.search(r"^Proof[^`]*`", text, flags=re.MULTILINE)
    ]
    assert unproved == []


def test_the_installation_has_ten_steps() -> None:
    """Numbered without a gap."""
    assert [title.partition(".")[0] for title in _parts("install.md")] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize("guide", [*GUIDES, "secrets.md", "resources.md", "backup.md", "alerts.md"])
def test_files_that_a_guide_names_are_there(guide: str) -> None:
    """A renamed file is renamed in the guides too."""
    text = (FOLDER / guide).read_text()
    folders = "deploy/(?:applications|argocd|base|components|overlays)|helm-values|docs|observer_contracts"
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


def test_the_installation_names_every_warning_of_the_manifests() -> None:
    """Who sees one more than the guide says looks for a fault of his own."""
    overlay = str(ROOT / "deploy/overlays/production")
    manifests = read_manifests([overlay], io.BytesIO())
    warned = {
        result.rule.id
        for result in verify(Verification(declare(), manifests=manifests))
        if result.status is not Status.PASS
    }
    [step] = [text for title, text in _parts("install.md").items() if title.startswith("5.")]
    # What is sealed or configured by now warns no more.
    assert warned <= set(re.findall(r"[A-Z]{3}-\d{3}", step)) == {"SEC-006", "BAK-001", "ENV-002"}


def test_images_for_a_cluster_of_ones_own_get_the_names_that_its_overlay_wants(
    renderings: list[Rendering],
) -> None:
    """`make images` adds the architecture to the tag; overlay and values know none, and never pull."""
    [text] = [text for title, text in _parts("images.md").items() if title == "To a K3s of your own"]
    images = re.findall(r"^for image in (.+); do$", text, re.MULTILINE)[0].split()
    [(built, wanted)] = re.findall(r'podman tag "(\S+)" "(\S+)"', text)
    [tag] = re.findall(r"--tag (\w+)", text)
    assert built == f"ghcr.io/observer/$image:{tag}-$ARCH"
    rendering = next(found for found in renderings if str(found) == "local-k3s+collector-sidecar")
    deployed = {
        container["image"].rpartition("/")[2]
        for _, template in rendering.pods()
        for container in template["spec"]["containers"]
        if "/observer" in container["image"]
    }
    assert {wanted.replace("$image", name).rpartition("/")[2] for name in images} == deployed
    values = yaml.safe_load((ROOT / "helm-values/dagster-dev.yaml").read_text())
    assert values["dagsterDaemon"]["image"]["tag"] == tag


def _commands(text: str) -> list[str]:
    """The lines of a guide's blocks for the shell."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize(
    ("guide", "heading"),
    [
        ("upgrade.md", "Dagster"),
        ("upgrade.md", "PostgreSQL, major version (15 to 16 or later)"),
        ("restore.md", "2. An empty node"),
        ("move-volumes.md", ""),
    ],
)
def test_argo_cd_is_told_before_anything_is_stopped(guide: str, heading: str) -> None:
    """`selfHeal` starts within seconds what a guide has stopped: it is off before, and on again after."""
    text = _parts(guide)[heading] if heading else (FOLDER / guide).read_text()
    commands = _commands(text)
    stopped = [number for number, line in enumerate(commands) if "--replicas=0" in line]
    off = [number for number, line in enumerate(commands) if '"automated":null' in line]
    assert stopped
    assert off
    assert off[0] < stopped[0]
    after = (FOLDER / guide).read_text().partition('"automated":null')[2]
    assert re.search(r"kubectl apply -n argocd -f deploy/argocd", after)


def test_the_healing_that_the_guides_switch_off_is_there() -> None:
    """What they patch away is what the Applications have, under the names that they use."""
    for name in ("observer", "postgres", "dagster", "dagster-code"):
        application = yaml.safe_load((ROOT / f"deploy/argocd/{name}.yaml").read_text())
        assert application["metadata"]["name"] == name
        assert application["spec"]["syncPolicy"]["automated"]["selfHeal"] is True


def test_a_major_upgrade_renews_the_dump_program() -> None:
    """The guide names the package that the image has: an older `pg_dump` refuses a newer server."""
    package = re.search(r"postgresql-client-\d+", (ROOT / "deploy/images/pipeline/Dockerfile").read_text())
    assert package
    assert package[0] in _parts("upgrade.md")["PostgreSQL, major version (15 to 16 or later)"]


@pytest.mark.parametrize("guide", ["install.md", "rotate-keys.md", "restore.md"])
def test_no_proof_asks_whichever_pod_answers(guide: str) -> None:
    """The Service may answer from the standby, and its policy lets nobody in but Prometheus."""
    text = (FOLDER / guide).read_text()
    assert "svc/observer " not in text
    assert "http://observer:8000" not in text


def test_the_controllers_service_is_named_to_kubeseal() -> None:
    """The Helm chart of the guide names it after the release; kubeseal asks for another name by default."""
    release = re.search(
        r"helm install (\S+) sealed-secrets/sealed-secrets -n (\S+)", (FOLDER / "install.md").read_text()
    )
    assert release
    for guide in ("secrets.md", "rotate-keys.md"):
        asked = (FOLDER / guide).read_text().replace("\\\n", "")
        calls = re.findall(r"kubeseal --controller[^`\n]*--fetch-cert", asked)
        assert calls
        for call in calls:
            assert f"--controller-name {release[1]}" in call
            assert f"--controller-namespace {release[2]}" in call
