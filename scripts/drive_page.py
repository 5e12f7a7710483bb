#!/usr/bin/env python3
"""Uses a report page as a reader would, in a headless Chromium, and fails if anything is amiss.

Needs: pip install selenium; the programs chromium and chromedriver (Debian: chromium, chromium-driver).

    scripts/drive_page.py report.html [--screenshots DIR]
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

# State of everything that is shown or hidden by a control, as one text.
SHOWN = """
return [...document.querySelectorAll('[data-when]')]
    .map((e) => (e.hasAttribute('hidden') ? 0 : 1)).join('');
"""

# What should be shown, worked out anew from the conditions.
EXPECTED = """
const value = (name) => document.querySelector(`[data-control="${name}"]`).value;
return [...document.querySelectorAll('[data-when]')]
    .map((e) => e.dataset.when.split(' ').every((c) => {
        const [name, wanted] = c.split('=');
        return value(name) === wanted;
    }) ? 1 : 0).join('');
"""

# Texts of visible plots that leave their picture.
OVERFLOWING = """
const found = [];
for (const svg of document.querySelectorAll('svg.plot')) {
    if (!svg.getClientRects().length || !svg.getBoundingClientRect().width) continue;
    const box = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text')) {
        const t = text.getBoundingClientRect();
        if (t.left < box.left - 1 || t.right > box.right + 1 || t.top < box.top - 1 || t.bottom > box.bottom + 1)
            found.push(text.textContent);
    }
}
return found;
"""


class Reader:
    def __init__(self, page, screenshots):
        options = Options()
        options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self.screenshots = screenshots
        self.page = page
        self.complaints = []

    def expect(self, holds, complaint):
        if not holds:
            self.complaints.append(complaint)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def picture(self, name):
        if not self.screenshots:
            return
        self.screenshots.mkdir(parents=True, exist_ok=True)
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        self.browser.set_window_size(width, min(height + 150, 9000))
        self.browser.save_screenshot(str(self.screenshots / f"{name}.png"))
        self.browser.set_window_size(width, 900)

    def press(self, key):
        self.run("document.activeElement.blur()")
        ActionChains(self.browser).send_keys(key).perform()

    def resize(self, width):
        # Chromium's windows have a least width; the view itself can be narrower.
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )

    def theme(self):
        colours = self.run(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        )
        plot = self.run(
            "const t = document.querySelector('svg.plot text'); return t && getComputedStyle(t).fill"
        )
        return colours, plot

    def check_theme(self):
        before, plot_before = self.theme()
        self.browser.find_element(By.ID, "theme").click()
        after, plot_after = self.theme()
        self.expect(before[0] != after[0] and before[1] != after[1], "the theme button changes no colours")
        self.expect(plot_before is None or plot_before != plot_after, "plots keep their colours in the other theme")
        self.picture("dark" if "0, 0, 0" not in after[0] and "255, 255, 255" not in after[0] else "other")
        self.press("d")
        self.expect(self.theme()[0] == before, "the key d does not bring the first theme back")

    def check_shown(self, after):
        self.expect(self.run(SHOWN) == self.run(EXPECTED), f"wrong elements are shown after {after}")

    def choose(self, control, value):
        self.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', { bubbles: true }))",
            control,
            value,
        )

    def check_controls(self):
        controls = self.browser.find_elements(By.CSS_SELECTOR, "[data-control]")
        self.check_shown("loading")
        for control in controls:
            name = control.get_attribute("data-control")
            before = self.run(SHOWN)
            is_range = control.get_attribute("type") == "range"
            last = control.get_attribute("max") if is_range else str(
                len(control.find_elements(By.TAG_NAME, "option")) - 1
            )
            if last == "0":
                continue
            self.choose(control, last)
            self.check_shown(f"choosing {name}={last}")
            self.expect(self.run(SHOWN) != before, f"{name} changes nothing")
            fragment = self.run("return location.hash")
            self.expect(f"{name}={last}" in fragment, f"{name}={last} is not in the address: {fragment}")
            self.choose(control, "0")
            self.expect(self.run(SHOWN) == before, f"{name} does not go back")
        return controls

    def check_keys(self, controls):
        ranges = [c for c in controls if c.get_attribute("type") == "range"]
        if ranges:
            value = lambda: int(ranges[0].get_property("value"))
            self.choose(ranges[0], "0")
            self.press(Keys.ARROW_RIGHT)
            self.expect(value() == 1, "the right arrow does not step")
            self.check_shown("the right arrow")
            self.press(Keys.ARROW_LEFT)
            self.press(Keys.ARROW_LEFT)
            self.expect(value() == 0, "the left arrow does not stop at the first step")
            self.press(Keys.SPACE)
            time.sleep(1.2)
            self.expect(value() > 0, "space does not play")
            self.press(Keys.SPACE)
            stopped = value()
            time.sleep(0.8)
            self.expect(value() == stopped, "space does not pause")
            self.check_shown("playing")
        choices = [c for c in controls if c.tag_name == "select" and c.get_attribute("data-limits")]
        if choices and len(choices[0].find_elements(By.TAG_NAME, "option")) > 1:
            self.press("]")
            self.expect(choices[0].get_property("value") == "1", "the key ] does not choose the next")
            self.press("[")
            self.expect(choices[0].get_property("value") == "0", "the key [ does not choose the one before")
        self.press("?")
        self.expect(self.run("return document.getElementById('help').open"), "the key ? does not help")
        self.press(Keys.ESCAPE)
        self.expect(not self.run("return document.getElementById('help').open"), "esc does not close the help")

    def check_link(self, controls):
        """A link shows what it was taken of."""
        for control in controls:
            if control.get_attribute("type") == "range":
                self.choose(control, control.get_attribute("max"))
            else:
                self.choose(control, str(len(control.find_elements(By.TAG_NAME, "option")) - 1))
        address, shown = self.run("return location.href"), self.run(SHOWN)
        self.browser.get("about:blank")
        self.browser.get(address)
        self.expect(self.run(SHOWN) == shown, "a link does not bring back what it showed")
        self.browser.get("about:blank")
        self.browser.get(f"{self.page}#clip=nonsense&frame=-3&unknown=1&frame=%E0")
        self.check_shown("a broken link")

    def check_sizes(self):
        for width in [1280, 360]:
            self.resize(width)
            wide = self.run("return document.documentElement.scrollWidth")
            self.expect(wide <= width, f"the page is {wide} pixels wide in a window of {width}")
            for text in self.run(OVERFLOWING)[:5]:
                self.complaints.append(f"at {width} pixels a plot cuts its text: {text!r}")
            self.picture(f"width{width}")
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def check_logs(self):
        for entry in self.browser.get_log("browser"):
            self.complaints.append(f"console: {entry['level']}: {entry['message']}")
        asked = self.run("return performance.getEntriesByType('resource').map((e) => e.name)")
        outside = [name for name in asked if not name.startswith("data:")]
        self.expect(not outside, f"the page asked for {outside}")

    def read(self):
        self.browser.get(self.page)
        self.expect(self.browser.title, "the page has no title")
        controls = self.check_controls()
        self.picture("light")
        self.check_theme()
        self.check_keys(controls)
        self.check_sizes()
        self.check_link(controls)
        self.check_logs()
        self.browser.quit()
        return self.complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--screenshots", type=Path)
    arguments = parser.parse_args()
    if not arguments.page.is_file():
        sys.exit(f"{arguments.page}: no such page")
    complaints = Reader(arguments.page.resolve().as_uri(), arguments.screenshots).read()
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        sys.exit(1)
    print(f"{arguments.page}: nothing amiss")


if __name__ == "__main__":
    main()
