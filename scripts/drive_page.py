"""Tests report pages in a headless Chromium by using their controls, and lists the problems.

    python3 scripts/drive_page.py PAGE.html [PAGE.html...] --screenshots DIR

Reports errors in the console, network requests, controls and keys without an effect, text that crosses the border of
its plot, pages wider than the screen, and colours that do not change with the theme. It works for any report page:
controls and drawings are found in the document. Needs selenium, Chromium and chromedriver; the last two are taken from
the PATH or from --chromium and --chromedriver.
"""

import argparse
import base64
import pathlib
import re
import shutil
import sys
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.chrome.service import Service

# Seconds after which the address has followed a change: the page updates it with a delay of 0.2 s.
ADDRESS_DELAY = 0.35
# Largest number of problems to print for a page: later ones mostly follow from the first.
MAX_PRINTED = 20
WIDE, NARROW = (1280, 900), (360, 740)

# Runs in every document before the scripts of the page, and records errors.
WATCH = """
window.__broken = [];
addEventListener("securitypolicyviolation", (event) =>
    window.__broken.push(`the policy forbids ${event.violatedDirective} of ${event.blockedURI}`));
addEventListener("error", (event) => window.__broken.push(`error: ${event.message ?? event.target}`), true);
addEventListener("unhandledrejection", (event) => window.__broken.push(`rejected: ${event.reason}`));
"""

CONTROLS = """
return [...document.querySelectorAll("[data-control]")].map((input) => ({
    name: input.dataset.control, isRange: input.type === "range", disabled: input.disabled,
    count: input.type === "range" ? Number(input.max) + 1 : input.options.length,
    follows: input.dataset.stepsOf ?? null,
    conditions: [...document.querySelectorAll("[data-when]")]
        .filter((e) => e.dataset.when.split(" ").some((p) => p.split("=")[0] === input.dataset.control)).length,
}));
"""

# Indices of the visible conditional elements, and the conditions whose element is wrongly visible or hidden.
SHOWN = """
const value = (name) => Number(document.querySelector(`[data-control="${name}"]`)?.value ?? NaN);
const shown = [], wrong = [];
[...document.querySelectorAll("[data-when]")].forEach((element, index) => {
    const holds = element.dataset.when.split(" ").every((part) => {
        const [name, values] = part.split("=");
        const [first, last = first] = values.split("-").map(Number);
        return first <= value(name) && value(name) <= last;
    });
    const isShown = getComputedStyle(element).display !== "none";
    if (isShown) shown.push(index);
    if (isShown !== holds) wrong.push(element.dataset.when);
});
return {shown, wrong};
"""

OVERFLOWING_TEXT = """
const bad = [];
for (const svg of document.querySelectorAll("svg[viewBox]")) {
    if (!svg.getClientRects().length) continue;
    const {width, height} = svg.viewBox.baseVal;
    for (const text of svg.querySelectorAll("text")) {
        if (!text.getClientRects().length) continue;
        const box = text.getBBox();
        if (box.x < -0.5 || box.y < -0.5 || box.x + box.width > width + 0.5 || box.y + box.height > height + 0.5)
            bad.push(`"${text.firstChild?.data}" in "${svg.getAttribute("aria-label")}"`);
    }
}
return bad;
"""

COLOURS = """
const of = (element) => { const style = getComputedStyle(element); return [style.color, style.backgroundColor]; };
const inks = {};
// Text on cells whose colour stands for a number keeps its colour in every theme.
for (const e of document.querySelectorAll("svg text:not(.u, .d), svg .a, svg .g, svg [class*=c0]")) {
    const style = getComputedStyle(e);
    const what = `${e.tagName} of class "${e.getAttribute("class") ?? ""}"`;
    inks[what] = e.tagName === "text" ? style.fill : style.color + style.stroke;
}
return {page: of(document.body), inks};
"""

# Contents of all canvases.
DRAWN = "return [...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL());"

UNLABELLED = """
const named = (e) => e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim() && e.tagName === "BUTTON";
const bad = [...document.querySelectorAll("button, select, input, textarea, canvas")].filter((e) => !named(e));
const images = [...document.querySelectorAll("img:not([alt]), svg:not([aria-label]):not([aria-hidden])")];
return [...bad, ...images].map((e) => e.outerHTML.slice(0, 80));
"""


class Reader:
    """Browser with one page, and the problems found on it."""

    def __init__(self, driver: webdriver.Chrome, page: pathlib.Path, screenshots: pathlib.Path | None):
        self.driver, self.address, self.name = driver, page.resolve().as_uri(), page.stem
        self.screenshots, self.problems = screenshots, []

    def must(self, holds: bool, problem: str) -> None:
        """Records a problem if something does not hold."""
        if not holds:
            self.problems.append(problem)

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def size(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Sets the colour scheme that the system prefers."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def open(self, fragment: str = "") -> None:
        # A change of the fragment alone would not load the page again.
        self.driver.get("about:blank")
        self.driver.get(self.address + fragment)
        time.sleep(0.1)

    def press(self, key: str) -> None:
        self.run("document.activeElement?.blur()")
        self.driver.find_element(By.TAG_NAME, "body").send_keys(key)

    def fragment(self) -> dict[str, int]:
        time.sleep(ADDRESS_DELAY)
        parts = re.findall(r"([\w-]+)=(\d+)", self.run("return location.hash"))
        return {name: int(value) for name, value in parts}

    def shown(self) -> list[int]:
        state = self.run(SHOWN)
        some = ", ".join(state["wrong"][:3])
        self.must(not state["wrong"], f"{len(state['wrong'])} views contradict their condition: {some}")
        return state["shown"]

    def value(self, name: str) -> int:
        return int(self.run(f"return document.querySelector('[data-control={name}]').value"))

    def move(self, name: str, value: int) -> None:
        """Sets a control, with the events that a pointer would cause."""
        self.run(
            "const input = document.querySelector(`[data-control=${arguments[0]}]`);"
            "input.focus(); input.value = arguments[1];"
            "input.dispatchEvent(new Event('input', {bubbles: true}));"
            "input.dispatchEvent(new Event('change', {bubbles: true}));",
            name, value,
        )

    def drawn(self) -> list[str]:
        """Returns the contents of all canvases, after waiting for decompression and drawing."""
        if self.run("return document.querySelector('canvas') !== null"):
            time.sleep(0.25)
        return self.run(DRAWN)

    def capture(self, what: str) -> None:
        if self.screenshots:
            height = min(self.run("return document.documentElement.scrollHeight"), 12000)
            width = self.run("return innerWidth")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            arguments = {"clip": clip, "captureBeyondViewport": True}
            shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", arguments)
            path = self.screenshots / f"{self.name}-{what}.png"
            path.write_bytes(base64.b64decode(shot["data"]))

    def check_layout(self, size: tuple[int, int]) -> None:
        self.size(size)
        time.sleep(0.1)
        wide = self.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        self.must(wide[0] <= wide[1], f"on a screen {size[0]} px wide, the page is {wide[0]} px wide and scrolls sideways")
        self.check_text()

    def check_text(self) -> None:
        for text in self.run(OVERFLOWING_TEXT)[:5]:
            self.problems.append(f"text crosses the border of its plot: {text}")

    def check_theme(self) -> None:
        self.capture("light")
        before = self.run(COLOURS)
        self.prefer("dark")
        followed = self.run(COLOURS)
        self.prefer("light")
        for how in ["the button", "the key d"]:
            if how == "the key d":
                self.press("d")
            else:
                self.driver.find_element(By.CSS_SELECTOR, "[data-toggle-theme]").click()
            time.sleep(0.3)
            after = self.run(COLOURS)
            for index, part in enumerate(["text colour", "background"]):
                changed = before["page"][index] != after["page"][index]
                self.must(changed, f"{how} does not change the {part} of the page, {before['page'][index]}")
            for part, ink in before["inks"].items():
                self.must(ink != after["inks"][part], f"{how} does not change the colour in plots of {part}, {ink}")
            if how == "the button":
                self.capture("dark")
                chosen = self.run("return document.documentElement.dataset.theme")
                self.driver.refresh()
                # Browsers sometimes lose the storage of local files, which the page cannot prevent.
                stored = self.run("try { return localStorage.getItem('theme'); } catch { return null; }")
                if stored != chosen:
                    self.driver.find_element(By.CSS_SELECTOR, "[data-toggle-theme]").click()
                    time.sleep(0.3)
                kept = self.run(COLOURS)
                self.must(kept == after, f"the page does not reload in the stored theme, {stored}")
                self.must(followed == after, "the colours are not dark if the system prefers a dark theme")
            before = after

    def check_control(self, control: dict) -> None:
        name, count = control["name"], control["count"]
        if count < 2 or control["disabled"]:
            return
        start, shown, drawn = self.value(name), self.shown(), self.drawn()
        wanted = count - 1 if start != count - 1 else 0
        self.move(name, wanted)
        self.must(self.value(name) == wanted, f"{name} cannot be set to {wanted}")
        self.must(not control["conditions"] or self.shown() != shown, f"changing {name} does not change the view")
        is_drawn = drawn and not control["conditions"]
        self.must(not is_drawn or self.drawn() != drawn, f"changing {name} does not change the drawings")
        actual = self.fragment().get(name)
        self.must(actual == wanted, f"after setting {name} to {wanted}, the address has {actual}")
        self.move(name, 0)
        shown = self.shown()
        self.press(Keys.ARROW_RIGHT if control["isRange"] else "]")
        self.must(self.value(name) == 1, f"the key for the next value changes {name} from 0 to {self.value(name)}")
        self.must(not control["conditions"] or self.shown() != shown, f"the key for {name} does not change the view")
        actual = self.fragment().get(name)
        self.must(actual == 1, f"after the key for {name}, the address has {actual}")
        self.press(Keys.ARROW_LEFT if control["isRange"] else "[")
        self.must(self.value(name) == 0 and self.shown() == shown, f"the key for the previous {name} does not restore the view")

    def check_every_value(self, control: dict) -> None:
        """Sets a control to each of its values, or to about a hundred of them."""
        name, count = control["name"], control["count"]
        for value in range(0, count, max(1, count // 100)):
            self.move(name, value)
            self.shown()
            self.check_text()

    def check_follower(self, control: dict) -> None:
        """Checks that a slider whose number of steps depends on a chooser stays within them."""
        leader, name = control["follows"], control["name"]
        counts = set()
        n_options = self.run(f"return document.querySelector('[data-control={leader}]').options.length")
        for option in range(n_options):
            self.move(leader, option)
            last = int(self.run(f"return document.querySelector('[data-control={name}]').max"))
            self.move(name, last)
            counts.add(last)
            self.shown()
            self.move(leader, (option + 1) % n_options)
            last = int(self.run(f"return document.querySelector('[data-control={name}]').max"))
            self.must(self.value(name) <= last, f"{name} exceeds its last step after {leader} has changed")
            self.shown()
        self.move(leader, 0)
        self.move(name, 0)

    def check_play(self, name: str) -> None:
        button = self.driver.find_element(By.CSS_SELECTOR, f"[data-play={name}]")
        if not button.is_enabled():
            return
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
        interval = int(button.get_attribute("data-interval")) / 1000
        for how in ["the button", "space"]:
            self.move(name, 0)
            toggle = button.click if how == "the button" else lambda: self.press(Keys.SPACE)
            toggle()
            values = set()
            end = time.monotonic() + 3.5 * interval + 0.3
            while time.monotonic() < end:
                values.add(self.value(name))
                time.sleep(min(0.05, interval / 4))
            self.must(len(values) > 1, f"{how} does not play {name}")
            toggle()
            stopped = self.value(name)
            time.sleep(2.5 * interval + 0.1)
            self.must(self.value(name) == stopped, f"{how} does not stop {name}")
            self.shown()

    def check_link(self, controls: list[dict]) -> None:
        """Checks that an address reproduces the view, and that a malformed one does no harm."""
        for control in controls:
            if control["count"] > 1 and not control["follows"]:
                self.move(control["name"], control["count"] - 1)
        state, shown = self.fragment(), self.shown()
        self.open("#" + "&".join(f"{name}={value}" for name, value in state.items()))
        self.must(self.shown() == shown, "the address of a view shows another view")
        self.open("#" + "&".join(f"{name}=999999" for name in state) + "&nothing=1&x=%zz")
        self.shown()

    def check_drawings(self) -> None:
        """Checks that drawings follow the theme, and that focusable drawings follow the arrow keys."""
        # A chosen theme overrides that of the system, so it must be removed first.
        self.run("try { localStorage.removeItem('theme'); } catch { }")
        self.open()
        before = self.drawn()
        self.prefer("dark")
        for index, (light, dark) in enumerate(zip(before, self.drawn())):
            self.must(light != dark, f"drawing {index} does not change if the system prefers a dark theme")
        self.prefer("light")
        arrows = [Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_LEFT]
        for index, canvas in enumerate(self.driver.find_elements(By.CSS_SELECTOR, "canvas[tabindex='0']")):
            before = self.drawn()[index]
            # At an end of the data, some of the keys have no effect.
            followed = False
            for arrow in arrows:
                canvas.send_keys(arrow)
                followed = followed or self.drawn()[index] != before
            self.must(followed, f"the arrow keys do nothing on drawing {index}")

    def check_keys(self) -> None:
        self.press("?")
        is_open = "return document.querySelector('dialog.keys').open"
        self.must(self.run(is_open), "the key ? does not show the keyboard shortcuts")
        self.capture("keys")
        self.driver.find_element(By.CSS_SELECTOR, "dialog.keys").send_keys("?")
        self.must(not self.run(is_open), "the key ? does not hide the keyboard shortcuts")

    def check_quiet(self) -> None:
        self.problems += self.run("return window.__broken")
        for entry in self.driver.get_log("browser"):
            self.must(entry["level"] not in ("SEVERE", "WARNING"), f"console: {entry['message']}")
        fetched = self.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        fetched = [address for address in fetched if not address.startswith("data:")]
        self.must(not fetched, f"the page fetches {', '.join(fetched[:3])}")

    def read(self) -> None:
        self.size(WIDE)
        self.prefer("light")
        self.open()
        # All local files share one storage, which may hold the theme of another page.
        self.run("try { localStorage.clear(); } catch { }")
        self.open()
        self.must(bool(self.run("return document.title.trim()")), "the page has no title")
        for element in self.run(UNLABELLED)[:5]:
            self.problems.append(f"element without a label: {element}")
        self.check_layout(WIDE)
        self.check_theme()
        controls = self.run(CONTROLS)
        for control in controls:
            self.check_control(control)
            if control["follows"]:
                self.check_follower(control)
        self.check_quiet()
        for control in controls:
            self.check_every_value(control)
        for control in controls:
            if self.run("return !!document.querySelector(`[data-play=${arguments[0]}]`)", control["name"]):
                self.check_play(control["name"])
        self.check_link(controls)
        self.check_drawings()
        self.check_quiet()
        self.check_keys()
        self.open()
        self.check_layout(NARROW)
        self.capture("narrow")
        self.check_quiet()


def browser(arguments: argparse.Namespace) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = arguments.chromium
    for flag in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(arguments.chromedriver))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return driver


def with_browser(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parses the arguments, with additional ones for the browser and the screenshots."""
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for screenshots of the pages")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    parser.add_argument("--chromium", default=chromium)
    parser.add_argument("--chromedriver", default=shutil.which("chromedriver"))
    arguments = parser.parse_args()
    if not arguments.chromium or not arguments.chromedriver:
        parser.error("chromium or chromedriver was not found")
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    return arguments


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments = with_browser(parser)
    n_problems = 0
    driver = browser(arguments)
    try:
        for page in arguments.pages:
            if not page.is_file():
                parser.error(f"{page} is not a file")
            reader = Reader(driver, page, arguments.screenshots)
            reader.read()
            problems = list(dict.fromkeys(reader.problems))
            n_problems += len(problems)
            for problem in problems[:MAX_PRINTED]:
                print(f"{page}: {problem}")
            plural = "" if len(problems) == 1 else "s"
            print(f"{page}: {len(problems)} problem{plural}" if problems else f"{page}: no problems")
    finally:
        driver.quit()
    return 1 if n_problems else 0


if __name__ == "__main__":
    sys.exit(main())
