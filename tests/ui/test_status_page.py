"""The collector's status page in a real browser, beside the real collector on a simulated market."""

import asyncio
import io
import json
import os
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from collector_world import CollectorProcess, World
from PIL import Image
from playwright.async_api import async_playwright, expect
from required_tools import required

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
PATIENCE = 90_000
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
SILENT = "005930"
# What a master file could say; the page must show it and nothing more.
HOSTILE = '<img src=x onerror="document.title=1">&amp;'
CHANGED = "010950"
IMAGES = Path(__file__).parents[2] / "docs/images"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    chromium = required("chromium", package="chromium")
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory):
    """A collector on a market that stands, after a minute in which one symbol was silent."""
    async with World(tmp_path_factory.mktemp("status"), "08:59:30", 60, {}) as market:
        market.universe()
        give_a_name(market, CHANGED, HOSTILE)
        async with CollectorProcess(market) as running:
            await market.until("09:02:00")
            await running.eventually(all_confirmed)
            fault = {"kind": "silent", "symbols": [SILENT], "at": "09:02:01", "seconds": 60}
            async with aiohttp.ClientSession() as http:
                await http.post(f"{market.simulator.rest_url}/admin/faults", json=fault)
            await market.until("09:07:00")
            while not settled((await running.get("/status"))[1]):
                await one_minute(market)
            yield market, running


def give_a_name(market, code, name):
    (path,) = (market.root / "universe").glob("*_kr_stocks.json")
    content = json.loads(path.read_text())
    next(one for one in content["symbols"] if one["code"] == code)["name"] = name
    path.write_text(json.dumps(content))


def all_confirmed(status):
    return status.get("session", {}).get("registrations") == {"confirmed": 41}


def settled(status):
    counters = status["counters"]
    return status["holes"] and not counters["holes_waiting"] and counters["swing_rows"]


async def one_minute(market):
    """Lets the market go on; returns the minute at which it stands then, as the page's time begins."""
    instant = market.clock.now() + timedelta(minutes=1)
    await market.until(f"{instant:%H:%M:%S}")
    return f"{instant:%Y-%m-%dT%H:%M}"


@asynccontextmanager
async def opened(browser, running, query="", **options):
    """Opens the page; in the end it has said nothing on the console and asked nobody else."""
    context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-US", **options})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    said, asked = [], []
    own = f"http://127.0.0.1:{running.port}/"
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda one: None if one.url.startswith((own, "data:")) else asked.append(one.url))
    answer = await page.goto(f"{own}status{query}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    yield page
    if running.process.poll() is None:
        assert said == []
    assert asked == []
    await context.close()


async def fact(page, name):
    """Returns the value behind what a card has for a name."""
    line = page.locator("dl div").filter(has=page.get_by_text(name, exact=True))
    return float(await line.locator("data").first.get_attribute("value"))


READ_ROWS = """rows => rows.map(row => ({
  identity: row.dataset.row,
  values: [...row.querySelectorAll("data")].map(one => Number(one.value)),
  instants: [...row.querySelectorAll("time")].map(one => one.dateTime),
  name: row.querySelector(".name") && row.querySelector(".name").textContent,
  text: row.textContent,
}))"""


async def test_every_figure_is_that_of_the_json(browser, scene):
    """Counters, slots, holes, journal and latency: the same values, read off the page."""
    _, running = scene
    async with opened(browser, running) as page:
        status = (await running.get("/status"))[1]
        await expect(page.locator("main")).to_have_attribute("data-time", status["time"])
        await expect(page.locator("#verdict")).to_have_text("● Ready: recording")
        counters = status["counters"]
        for name, key in (("Records journaled", "records_journaled"), ("From the feed", "scalp_records"),
                          ("From sweeps", "swing_rows")):  # fmt: skip
            assert await fact(page, name) == counters[key] > 0
        assert await fact(page, "Reconnects") == status["session"]["reconnects"] == 0
        rows = await page.locator("#registrations tbody tr").evaluate_all(READ_ROWS)
        assert len(rows) == len(status["slots"]) == 41
        for row, slot in zip(rows, status["slots"], strict=True):
            account = slot["continuity"]
            missing = [account["holes"], account["hole_shares"]] if account and account["holes"] else []
            assert row["identity"] == f"{slot['channel']} {slot['symbol']}"
            assert row["name"] == slot["name"]
            assert row["values"] == [slot["per_second"], slot["records"], *missing]
            assert row["instants"] == ([slot["last_data"]] if slot["last_data"] else [])
            assert ("● delivering" in row["text"]) == slot["delivering"]
        holes = await page.locator("#missing tbody tr").evaluate_all(READ_ROWS)
        assert [row["values"][0] for row in holes] == [hole["shares"] for hole in status["holes"]]
        assert {hole["symbol"] for hole in status["holes"]} == {SILENT}
        assert all("● healed" in row["text"] for row in holes)
        tracks = await page.locator("#journal tbody tr").evaluate_all(READ_ROWS)
        for row, track in zip(tracks, status["journal"].values(), strict=True):
            assert row["values"][:2] == [track["open_lines"], track["segments_sealed"]]
        bars = await page.locator("#latency title").all_text_contents()
        counts = [int(text.rpartition(": ")[2].replace(",", "")) for text in bars]
        assert counts == status["latency"]["scalp"]["counts"]
        assert sum(counts) > 0
        drawn = await page.locator("#rates path").first.get_attribute("d")
        assert drawn.count("L") == len(status["rates"]["samples"]) + 1


async def test_a_name_is_shown_and_never_taken_as_markup(browser, scene):
    """The universe names a symbol by an element with a script in it."""
    _, running = scene
    async with opened(browser, running) as page:
        await expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
        assert await page.locator("img").count() == 0
        assert "Ready" in await page.title()


@pytest.mark.parametrize("width", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_for_everybody(browser, scene, width, scheme):
    """Structure, names and contrast; at 360 pixels nothing of the page lies beside the screen."""
    _, running = scene
    for language in ("en", "ko"):
        async with opened(browser, running, f"?lang={language}", viewport=width, color_scheme=scheme) as page:
            found = await page.evaluate(ACCESSIBILITY)
            assert found["problems"] == []
            assert found["texts"] > 300
            assert await page.evaluate("document.documentElement.scrollWidth") == width["width"]
            assert await page.locator("html").get_attribute("lang") == language


# What an audit by axe would look at first; every text has a contrast of 4.5 (WCAG 1.4.3).
ACCESSIBILITY = """() => {
  const problems = [];
  const headings = [...document.querySelectorAll("h1,h2,h3")].map(one => Number(one.tagName[1]));
  const expect = (holds, words) => holds || problems.push(words);
  expect(headings.filter(level => level === 1).length === 1, "one h1");
  expect(headings.every((level, n) => n === 0 || level <= headings[n - 1] + 1), "heading levels");
  expect(document.querySelectorAll("header, main, footer, nav").length === 4, "landmarks");
  expect(document.title !== "", "title");
  const identities = [...document.querySelectorAll("[id]")].map(one => one.id);
  expect(new Set(identities).size === identities.length, "identities");
  for (const one of document.querySelectorAll("[aria-labelledby]"))
    expect(document.getElementById(one.getAttribute("aria-labelledby")).textContent.trim(), "labelledby");
  for (const table of document.querySelectorAll("table")) {
    expect(table.caption && table.caption.textContent.trim(), "caption");
    expect([...table.querySelectorAll("th")].every(one => one.scope), "scope");
    expect([...table.querySelectorAll("thead th")].every(one => one.textContent.trim()), "head");
  }
  for (const one of document.querySelectorAll("svg"))
    expect(one.getAttribute("role") === "img" && one.getAttribute("aria-label"), "svg");
  for (const one of document.querySelectorAll("a")) {
    expect(one.textContent.trim(), "link");
  }
  for (const one of document.querySelectorAll(".mark"))
    expect(/^[●○▲✕] \\S/.test(one.textContent), "mark " + one.textContent);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const read = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = one => {
    for (let at = one; at; at = at.parentElement) {
      const colour = read(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    if (!node.data.trim() || one.closest("svg, [hidden]")) continue;
    texts += 1;
    const [a, b] = [light(read(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    expect(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of ${node.data}`);
  }
  return { problems, texts };
}"""


async def test_the_language_is_the_readers_own(browser, scene):
    """Accept-Language decides, until a language is asked for by name; the choice stays."""
    _, running = scene
    async with opened(browser, running, locale="ko-KR") as page:
        await expect(page.locator("#verdict")).to_have_text("● 정상: 기록 중")
        await expect(page.get_by_role("heading", name="슬롯")).to_be_visible()
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("#verdict")).to_have_text("● Ready: recording")
        assert await page.locator("html").get_attribute("lang") == "en"


async def test_it_renews_itself_and_leaves_the_reader_in_place(browser, scene):
    """A minute later the page says so by itself: scroll, focus and elements are those of before."""
    market, running = scene
    async with opened(browser, running, viewport=PHONE) as page:
        before = (await running.get("/status"))[1]
        await page.evaluate("""() => {
          window.kept = document.querySelector("#registrations tbody tr:nth-child(20)");
          document.querySelector("#registrations .wide").scrollLeft = 40;
          document.querySelector("#registrations .wide").focus({ preventScroll: true });
          scrollTo(0, 1200);
        }""")
        minute = await one_minute(market)
        await expect(page.locator("main")).to_have_attribute(
            "data-time", re.compile(minute), timeout=PATIENCE
        )
        assert await page.evaluate("""() => [
          scrollY, document.querySelector("#registrations .wide").scrollLeft,
          document.activeElement.className, window.kept.isConnected,
        ]""") == [1200, 40, "wide", True]
        assert await fact(page, "From the feed") > before["counters"]["scalp_records"]


async def test_a_picture_for_the_documents(browser, scene):
    """Writes `docs/images/status-page.png`, where it is asked for."""
    _, running = scene
    if not os.environ.get("OBSERVER_WRITE_IMAGES"):
        pytest.skip("OBSERVER_WRITE_IMAGES is not set: no picture is written")
    async with opened(browser, running, viewport={"width": 1180, "height": 1440}) as page:
        drawn = Image.open(io.BytesIO(await page.screenshot()))
        drawn.quantize(64).save(IMAGES / "status-page.png", optimize=True)
    assert (IMAGES / "status-page.png").stat().st_size < 150_000


async def test_a_collector_that_is_gone_is_told(browser, scene):
    """Killed: within seconds the page says that it is old, in words, and keeps what it showed."""
    _, running = scene
    async with opened(browser, running) as page:
        banner = page.get_by_role("alert")
        await expect(banner).to_be_hidden()
        shown = await page.locator("#registrations tbody tr").count()
        running.process.kill()
        await asyncio.to_thread(running.process.wait)
        await expect(banner).to_be_visible(timeout=PATIENCE)
        await expect(banner).to_contain_text("The collector does not answer.")
        await expect(banner).to_contain_text("s ago")
        assert (await page.title()).startswith("▲")
        assert await page.locator("#registrations tbody tr").count() == shown == 41
