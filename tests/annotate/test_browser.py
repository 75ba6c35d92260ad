"""A person at the real page: logs in, answers by hotkeys, skips; what is pulled is what was pressed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project
from pipeline.core.images import encode_png
from pipeline.core.places import Box
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace
from tests import records

pytestmark = [pytest.mark.labelstudio, pytest.mark.browser]
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann", "bo"))
PAGE_SECONDS = 90


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    chromium = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    required = os.environ.get("REQUIRE_BROWSER")
    if chromium is None and not required:
        pytest.skip("no Chromium here; REQUIRE_BROWSER=1 makes that an error")
    if not required:
        pytest.importorskip("playwright.sync_api")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PAGE_SECONDS * 1000)
        yield page
        browser.close()


def log_in(page: Any, access: Access) -> None:
    page.goto(f"{access.url}/user/login/", wait_until="domcontentloaded")
    if "/user/login" in page.url:
        page.fill("input[name=email]", access.user)
        page.fill("input[name=password]", access.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/user/login" not in url, wait_until="commit")


def open_stream(page: Any, access: Access, number: int) -> None:
    page.goto(f"{access.url}/projects/{number}/data?labeling=1", wait_until="domcontentloaded")


def shown(page: Any) -> None:
    """Waits until the pictures of the task are there: hotkeys work from then on."""
    page.wait_for_function("[...document.images].filter(i => i.src.startsWith('blob:') && i.naturalWidth).length >= 2")
    page.wait_for_timeout(400)


def submit(page: Any, keys: str) -> None:
    shown(page)
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as done:
        for key in keys.split():
            page.keyboard.press(key)
            page.wait_for_timeout(150)
    assert done.value.status == 201
    page.wait_for_timeout(600)


@pytest.fixture
def asked(served: tuple[Workspace, Access]) -> tuple[Workspace, Access]:
    """The served workspace with three crops, whose pictures the page can show."""
    workspace, access = served
    if not workspace.catalogue.get(type(records.episode()), "e1"):
        workspace.catalogue.put([records.episode(path="/nowhere/e1.mp4")])
        for i in range(3):
            picture = np.full((80, 80, 3), 60 + 60 * i, dtype=np.uint8)
            picture[20:60, 20:60, i] = 255
            digest = workspace.objects.put(encode_png(picture), ".png")
            box = Box(left=i, top=0, right=80 + i, bottom=80)
            crop = records.crop(
                f"e1.c{i}.{i}.0.{80 + i}.80",
                pts=i,
                box=box,
                sha256=digest,
                character="bo",
                sharpness=9.0 - i,
                cascade=str(i) * 64,
            )
            workspace.catalogue.put([crop])
    return workspace, access


def test_hotkeys_submit_and_skip_are_pulled_as_pressed(
    asked: tuple[Workspace, Access], page: Any, tmp_path: Path
) -> None:
    workspace, access = asked
    studio = Studio(access.url, access.token)
    done = ask(workspace, studio, Order(kind=Kind.emotions), OPTIONS)[0]
    log_in(page, access)
    open_stream(page, access, done["number"])
    shown(page)
    page.screenshot(path=str(tmp_path / "emotions.png"))
    submit(page, "2 q Control+Enter")  # sad, ann
    submit(page, "1 Control+Enter")  # happy; the suggested character, another cascade's, is taken over
    submit(page, "Control+Space")  # skip
    got = pull_all(workspace, studio, access, ["emotions"], OPTIONS)
    assert (got["pulled"], got["skipped"], got["quarantined"]) == (2, 1, [])
    found = find_project(workspace, studio, "emotions")
    assert found is not None
    labels = sorted(workspace.catalogue.all(Label, source=found.source), key=lambda label: label.created)
    assert [(one.emotion, one.character) for one in labels] == [("sad", "ann"), ("happy", "bo"), ("", "")]
    assert [one.crop for one in labels] == sorted(one.crop for one in labels)
    assert all(one.seconds > 0 for one in labels[:2])
    assert all(one.annotator == access.user for one in labels)
