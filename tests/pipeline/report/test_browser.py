"""The page in a real Chromium: it renders, wide and narrow, without an error and without asking anybody for anything."""

import json
import os
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from pipeline.core.images import read_rgb
from pipeline.report.run_page import build_run_page
from tests.pipeline.report.stock import Stock
from tests.pipeline.report.test_insides import look_inside

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
]
PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  const found = {
    width: innerWidth,
    images: images.length,
    broken: images.filter(image => !image.complete || image.naturalWidth === 0).length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    sections: [...document.querySelectorAll("section")].map(s => [s.id, Math.round(s.getBoundingClientRect().height)]),
    boxes: document.querySelectorAll(".found g").length,
    boxesShown: getComputedStyle(document.querySelector(".found")).display !== "none",
    requests: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).map(r => r.name),
    nav: getComputedStyle(document.querySelector("nav")).position,
  };
  document.querySelector("#boxes").click();
  found.boxesHidden = getComputedStyle(document.querySelector(".found")).display === "none";
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(found);
  parent.document.body.append(out);
});
</script>"""


@pytest.fixture(scope="session")
def chromium() -> str:
    found = os.environ.get("TOONSIFT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        reason = "no Chromium on this machine: install chromium, or set TOONSIFT_CHROMIUM"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def browse(chromium: str, tmp_path: Path, page: Path, width: int, *flags: str) -> subprocess.CompletedProcess[str]:
    profile = tmp_path / f"profile-{width}-{len(list(tmp_path.iterdir()))}"
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},3000", *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done


def with_probe(page: Path) -> str:
    """The page with a script that looks at it, which the page itself would not let run."""
    html = page.read_text(encoding="utf-8")
    html, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert removed == 1
    return html.replace("</body>", PROBE + "</body>")


@pytest.mark.parametrize("width", [1280, 390])
def test_it_renders_without_an_error(chromium: str, tmp_path: Path, page: Path, width: int) -> None:
    copy = tmp_path / "probed.html"
    # in a frame, because a headless window is never narrower than 500 pixels
    frame = f'<iframe style="width:{width}px;height:3000px;border:0" srcdoc="{escape(with_probe(page))}"></iframe>'
    copy.write_text(f'<!doctype html><meta charset="utf-8"><body>{frame}</body>', encoding="utf-8")
    dom = browse(chromium, tmp_path, copy, 1280, "--dump-dom", "--virtual-time-budget=10000").stdout
    match = re.search(r'<pre id="probe">(.*?)</pre>', dom)
    assert match, dom[-500:]
    found = json.loads(unescape(match[1]))
    assert found["width"] == width
    assert found["images"] > 20
    assert found["broken"] == 0
    assert found["overflow"] <= 0
    assert found["requests"] == []
    assert [name for name, _ in found["sections"]][:3] == ["overview", "demo", "episodes"]
    assert all(height > 80 for _, height in found["sections"])
    assert found["boxes"] == 3
    assert found["boxesShown"]
    assert found["boxesHidden"]
    assert found["nav"] == "sticky"


def test_the_page_itself_breaks_no_rule_of_its_own_policy(chromium: str, tmp_path: Path, page: Path) -> None:
    picture = tmp_path / "page.png"
    browse(chromium, tmp_path, page, 1280, f"--screenshot={picture}")
    image = read_rgb(picture)
    assert image.shape == (3000, 1280, 3)
    assert image[:600].std() > 10  # something is drawn


def test_the_dark_page_is_dark(chromium: str, tmp_path: Path, page: Path) -> None:
    pictures = []
    for name, flags in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        picture = tmp_path / f"{name}.png"
        browse(chromium, tmp_path, page, 1280, f"--screenshot={picture}", *flags)
        pictures.append(float(read_rgb(picture)[:400].mean()))
    light, dark = pictures
    assert light > 200
    assert dark < 60


def test_the_page_of_a_run_renders_without_an_error(chromium: str, tmp_path: Path, own_stock: Stock) -> None:
    look_inside(own_stock.run)
    page = build_run_page(own_stock.workspace, own_stock.run)
    probe = """<script>addEventListener("load", () => {
      const images = [...document.images];
      const out = document.createElement("pre");
      out.id = "probe";
      out.textContent = JSON.stringify({
        images: images.length, broken: images.filter(image => image.naturalWidth === 0).length,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        charts: document.querySelectorAll("svg.chart").length,
      });
      document.body.append(out);
    });</script>"""
    copy = tmp_path / "probed.html"
    copy.write_text(with_probe(page).replace(PROBE, probe).replace('loading="lazy"', ""), encoding="utf-8")
    dom = browse(chromium, tmp_path, copy, 1280, "--dump-dom", "--virtual-time-budget=10000").stdout
    match = re.search(r'<pre id="probe">(.*?)</pre>', dom)
    assert match, dom[-500:]
    found = json.loads(unescape(match[1]))
    assert found["images"] >= 2
    assert found["broken"] == 0
    assert found["overflow"] <= 0
    assert found["charts"] >= 3
    picture = tmp_path / "run.png"
    browse(chromium, tmp_path, page, 1280, f"--screenshot={picture}")  # with its own policy, and no word on the console
    assert read_rgb(picture)[:600].std() > 10
