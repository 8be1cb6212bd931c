"""The page: that its parts fit together and need nothing from elsewhere, and how it behaves in a real browser."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from avlink_study.database import StudyDatabase

PAGE, SCRIPT, STYLE = (
    resources.files("avlink_study").joinpath(name).read_text(encoding="utf-8")
    for name in ("page.html", "page.js", "page.css")
)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_S = 60.0
STALL = "for (const start = performance.now(); performance.now() - start < 1000; );"


class Elements(HTMLParser):
    """Every element with its attributes; whatever is not closed stays in `open`."""

    EMPTY = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(PAGE)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open[-1:] not in (["script"], ["style"]), "the policy lets nothing inline through"


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    page = Elements()
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for name in set(re.findall(r'find\("([\w-]+)"\)', SCRIPT)) | set(re.findall(r'"#([\w-]+)[ "]', SCRIPT)):
        assert name in ids
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            assert (attributes.get(name) or "../page.css") in ("../page.css", "../page.js")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", PAGE + STYLE + re.sub(r"//.*", "", SCRIPT))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", SCRIPT)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.found


def test_the_script_is_one(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (tmp_path / "page.js").write_text(SCRIPT, encoding="utf-8")
    subprocess.run([node, "--check", tmp_path / "page.js"], check=True)


class Browser:
    """Chromium without a window, told what to do over a pipe (the DevTools protocol)."""

    def __init__(self, program: str, folder: Path) -> None:
        for_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def put_in_place() -> None:
            # It reads from 3 and writes to 4; either may be one of ours already.
            reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (for_browser, from_browser))
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--mute-audio",
                "--remote-debugging-pipe",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            preexec_fn=put_in_place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(for_browser)
        os.close(from_browser)
        self._number, self._left, self._session = 0, b"", None
        self.events: list[dict[str, Any]] = []
        target = next(one for one in self("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: object) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._left:
                block = os.read(self._in, 1 << 16)
                assert block, "the browser is gone"
                self._left += block
            text, self._left = self._left.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self._number:
                return answer["result"]
            self.events.append(answer)

    def js(self, code: str) -> Any:
        found = self("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, code: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self.js(code):
            assert time.monotonic() < end, code
            time.sleep(0.05)

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self("Input.dispatchKeyEvent", type="keyUp", key=key)

    def end(self) -> None:
        # It clears up after itself where it is asked to go.
        with suppress(OSError):
            os.write(self._out, json.dumps({"id": self._number + 1, "method": "Browser.close"}).encode() + b"\0")
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        os.close(self._in)
        os.close(self._out)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("needs chromium")
    browser = Browser(BROWSER, tmp_path / "profile")
    yield browser
    browser.end()


def test_a_rater_uses_it_by_keys_and_by_mouse(start: Callable[..., Any], bench: Any, browser: Browser) -> None:
    study = start("quince", "medlar", "-o", "page.db", "-s", "no_preference=true")
    browser("Page.navigate", url=study.links[0])
    browser.until("document.readyState === 'complete' && !document.getElementById('welcome').hidden")
    browser.js("document.getElementById('begin').click()")
    browser.until("location.pathname.startsWith('/r/') && typeof video === 'object' && video.left.readyState >= 2")

    # Nothing can be said before both were heard from their starts to their ends; a jump does not count, nor silence.
    browser.press("ArrowLeft")
    assert browser.js("find('questions').querySelector('button').disabled && find('next').disabled")
    browser.js("play('left'); video.left.currentTime = 0.3")
    browser.until("run.mode === null && !busy")
    assert browser.js("heard.left") is False
    # A page that was busy over both ends is told of both late and together, the silent one's first or last.
    browser.press("3")
    browser.js(STALL)
    browser.until("run.mode === null && heard.left && !busy")
    assert browser.js("heard.right") is False
    browser.press("2")
    browser.until("heard.right && !busy && state.pair.played.right")

    for number, key in enumerate(("ArrowLeft", "ArrowDown", "ArrowRight")):
        browser.press(key)
        browser.until(f"Object.keys(state.pair.answers).length === {number + 1} && !busy")
    browser.press("ArrowUp")
    browser.press("ArrowLeft")
    browser.until("state.pair.answers.semantic_alignment === 'left' && !busy")
    browser.js("find('questions').children[3].querySelector('[data-choice=right]').click()")
    browser.until("!find('next').disabled && !busy")
    assert browser.js("find('progress').textContent") == "Pair 1 of 3"

    # The answers are there again after a reload, by which a rater continues later.
    browser("Page.reload")
    browser.until("typeof state === 'object' && state !== null && isHeard() && !find('next').disabled")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.dataset.choice)"
    assert browser.js(pressed) == ["left", "none", "left", "right"]
    browser.press("Enter")
    browser.until("state.progress.done === 1")
    assert browser.js("[find('progress').textContent, find('next').disabled, isHeard()]") == [
        "Pair 2 of 3",
        True,
        False,
    ]

    database = StudyDatabase(bench.folder / "page.db")
    answers = database.rows("SELECT choice FROM answers ORDER BY rowid")
    database.close()
    assert sorted(choice for (choice,) in answers) == ["left", "left", "none", "right"]
    wrong = [event for event in browser.events if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert wrong == []
    asked = {
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    }
    assert all(url.startswith(study.url) for url in asked)
