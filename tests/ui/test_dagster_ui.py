"""Dagster's web page in a real browser, on a day that was really run."""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from observer.stack.proof import collect_evidence

pytestmark = [pytest.mark.ui, pytest.mark.stack, pytest.mark.timeout(900)]

DAY = date(2026, 9, 15)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SECONDS = 90_000
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST_PICTURE = 200_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        _give_up("no chromium here (Debian: apt-get install chromium)")
    try:
        playwright = sync_playwright().start()
    except Exception as error:  # noqa: BLE001 - Playwright raises no narrower one where its driver ends
        _give_up(f"Playwright's driver does not run here (Debian: apt-get install libatomic1): {error}")
    browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
    yield browser
    browser.close()
    playwright.stop()


def _give_up(message: str) -> NoReturn:
    """In CI the browser is there, or the run is worth nothing; elsewhere it is told what is missing."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def page(browser: Browser, demo) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 2200, "height": 1300})
    page.set_default_timeout(SECONDS)
    outside: list[str] = []
    own = (demo.dagster, "data:", "blob:", demo.dagster.replace("http", "ws"))
    page.on("request", lambda one: None if one.url.startswith(own) else outside.append(one.url))
    yield page
    page.close()
    assert outside == [], "the page asks somebody else"


def test_the_lineage_goes_from_the_broker_to_postgres(page: Page, demo) -> None:
    """Upstream of the trades in PostgreSQL stand the lake, the journal, the collector and the broker."""
    page.goto(
        f"{demo.dagster}/assets/warehouse/scalp_trades?view=lineage&lineageScope=upstream&lineageDepth=12"
    )
    for asset in ("kis_websocket", "kis_rest_api", "kis_master_server", "instrument_master", "symbols",
                  "universe", "kis_access_token", "collector", "scalp_journal"):  # fmt: skip
        expect(page.get_by_text(asset, exact=True).first).to_be_visible(timeout=SECONDS)
    # The table in the lake and the table in PostgreSQL bear the same name.
    assert page.locator("svg").get_by_text("scalp_trades", exact=True).count() >= 2


def test_every_group_is_in_the_global_lineage(page: Page, demo) -> None:
    """The page that a newcomer opens first shows the house from the broker to operations."""
    page.goto(f"{demo.dagster}/asset-groups")
    for group in ("broker", "reference", "feed", "lake", "warehouse", "operations"):
        expect(page.locator("svg").get_by_text(group, exact=True).first).to_be_visible(timeout=SECONDS)


def test_a_rerun_of_a_partition_leaves_every_row_as_it_was(page: Page, demo) -> None:
    """The day's close is executed again by the button on its page: same rows, same files, same tables."""
    before, files = collect_evidence(demo.paths, demo.database, DAY), _lake_files(demo.paths.lake)
    run_id = _last_run(demo.dagster, "close_day")
    page.goto(f"{demo.dagster}/runs/{run_id}")
    page.get_by_role("button", name="Re-execute all").click()
    page.wait_for_url(re.compile(rf"/runs/(?!{run_id})[0-9a-f-]+"))
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("partition: 2026-09-15").first).to_be_visible()
    assert _last_run(demo.dagster, "close_day") != run_id
    after = collect_evidence(demo.paths, demo.database, DAY)
    assert after.lake.equals(before.lake)
    columns = after.warehouse.columns
    assert after.warehouse.sort(columns).equals(before.warehouse.sort(columns))
    assert (after.lake_bars, after.warehouse_bars) == (before.lake_bars, before.warehouse_bars)
    assert _lake_files(demo.paths.lake) == files


# What the docs show of a day; OBSERVER_SCREENSHOTS=1 writes the pictures anew.
PAGES = {
    "dagster-graph": ("/assets/completeness?view=lineage&lineageScope=upstream&lineageDepth=12", "day_close"),
    "dagster-completeness": ("/assets/completeness?view=partitions&partition={day}", "missing_shares"),
    "dagster-checks": ("/assets/bars_1m?view=checks", "fresh_by_phase"),
    "dagster-runs": ("/runs", "close_day"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_the_guide_says(page: Page, demo, name: str) -> None:
    """Graph, account of the day with its picture, checks and runs: each page has what the guide points at."""
    address, words = PAGES[name]
    wide = name == "dagster-graph"
    page.set_viewport_size({"width": 1900, "height": 1500} if wide else {"width": 1500, "height": 1000})
    page.goto(f"{demo.dagster}{address.format(day=DAY)}")
    expect(page.get_by_text(words).first).to_be_visible(timeout=SECONDS)
    if name == "dagster-completeness":
        picture = page.locator("img[src^='data:image/png']").first
        page.get_by_text("Show Markdown").first.click()
        expect(picture).to_be_visible(timeout=SECONDS)
    page.wait_for_load_state("networkidle")
    shot = _small(page.screenshot())
    assert len(shot) < LARGEST_PICTURE
    if os.environ.get("OBSERVER_SCREENSHOTS"):
        (IMAGES / f"{name}.png").write_bytes(shot)


def _small(shot: bytes) -> bytes:
    """Returns a picture with a palette, a quarter of its size."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE).save(
        packed, format="png", optimize=True
    )
    return packed.getvalue()


def _last_run(dagster: str, job: str) -> str:
    query = (
        f'{{runsOrError(filter: {{pipelineName: "{job}"}}, limit: 1) {{... on Runs {{results {{runId}}}}}}}}'
    )
    answer = httpx.post(f"{dagster}/graphql", json={"query": query}, trust_env=False, timeout=30).json()
    return answer["data"]["runsOrError"]["results"][0]["runId"]


def _lake_files(lake: Path) -> dict[str, str]:
    files = lake.rglob("*.parquet")
    return {str(file.relative_to(lake)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
