"""Drives the page of `burn-topology analyze` in a headless Chromium, as a reader would.

    python3 scripts/drive_inspection.py REPORT/report.html [--screenshots DIR]

What is said beside the drawings must agree with what was asked for: the scale with the complex, a chosen bar with
the scale at which it is born, the chosen token with the keys. `drive_page.py` looks at everything else. Needs
selenium, and a Chromium and its chromedriver on the PATH.
"""

import argparse
import pathlib
import re
import sys

from drive_page import WIDE, By, Keys, Reader, browser, with_browser


class InspectionReader(Reader):
    """A reader of the page of an inspection."""

    def text(self, name: str) -> str:
        self.drawn()
        return self.run(f"return document.getElementById('{name}').textContent")

    def number(self, pattern: str) -> int:
        found = re.search(pattern, self.text("state"))
        self.must(found is not None, f"the state does not say {pattern}: {self.text('state')}")
        return int(found.group(1).replace(",", "")) if found else -1

    def canvas(self, name: str):
        return self.driver.find_element(By.ID, name)

    def last(self, name: str) -> int:
        return int(self.run(f"return document.querySelector('[data-control={name}]').max"))

    def check_scale(self) -> None:
        self.move("scale", 0)
        isolated, components = self.number(r"\((\d+) isolated"), self.number(r": ([\d,]+) component")
        self.must(isolated == components, f"{components} components before the first edge, {isolated} isolated")
        self.must(self.number(r"([\d,]+) edge") == 0, "there are edges before the first one")
        edges = []
        for stop in range(0, self.last("scale") + 1, 24):
            self.move("scale", stop)
            edges.append(self.number(r"([\d,]+) edge"))
        self.must(edges == sorted(edges), f"edges are lost on the way: {edges}")
        self.move("scale", self.last("scale"))
        self.must(self.number(r": ([\d,]+) component") == 1, "the components do not come together")
        self.must("β1 = 0" in self.text("state"), "a cycle is open at the last stop")

    def check_bars(self) -> None:
        self.open()
        said = self.text("chosen")
        self.must(said.startswith("Bar 1 of "), f"the longest bar is not chosen at first: {said}")
        alive = self.number(r"β1 = (\d+)")
        self.must(alive > 0, "no cycle is open where the longest bar is born")
        bars = self.canvas("as_bars")
        bars.send_keys(Keys.ARROW_DOWN)
        self.must(self.text("chosen").startswith("Bar 2 of "), "the key down does not choose the next bar")
        bars.send_keys(Keys.HOME)
        self.must(self.text("chosen") == said, "the key Home does not choose the first bar")
        drawn = self.drawn()
        bars.send_keys(Keys.ESCAPE)
        self.must(self.text("chosen") == "No bar is chosen.", "Escape does not let go of the bar")
        self.must(all(a != b for a, b in zip(self.drawn(), drawn)), "a bar that was let go of stays drawn")
        self.move("scale", 0)
        # A click in the first bar, from its centre.
        height, width = self.run("const b = document.getElementById('as_bars').getBoundingClientRect();"
                                 "return [b.height, b.width]")
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", bars)
        self.click(bars, width / 2, 14)
        self.must(self.text("chosen") == said, f"a click does not choose the first bar: {self.text('chosen')}")
        self.must(self.value("scale") > 0, "the scale does not follow a chosen bar")
        self.move("bars", 1)
        self.must(self.text("chosen") == "No bar is chosen.", "a bar outlives its dimension")
        self.click(self.canvas("as_points"), width / 2, height / 2)
        self.must(" in H0" in self.text("chosen"), f"a point is not chosen: {self.text('chosen')}")
        # Just before two components meet there are one more than after.
        before = self.number(r": ([\d,]+) component")
        self.move("scale", min(self.value("scale") + 2, self.last("scale")))
        self.must(self.number(r": ([\d,]+) component") < before, "no components meet where a bar of H0 dies")

    def click(self, element, x: float, y: float) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        self.run(
            "const box = arguments[0].getBoundingClientRect();"
            "arguments[0].dispatchEvent(new PointerEvent('pointerdown', {bubbles: true,"
            " clientX: box.left + arguments[1], clientY: box.top + arguments[2]}));",
            element, x, y,
        )

    def check_token(self) -> None:
        self.open()
        picture = self.canvas("over_picture")
        self.click(picture, 3, 3)
        self.must(self.text("state").endswith("Token: patch 0,0."), f"a click misses: {self.text('state')}")
        picture.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
        self.must(self.text("state").endswith("Token: patch 1,1."), f"keys miss: {self.text('state')}")
        for over in [1, 2]:
            before = self.drawn()[0]
            self.move("over", over)
            self.must(self.drawn()[0] != before, f"drawing {over} over the picture changes nothing")
            before = self.drawn()[0]
            picture.send_keys(Keys.ARROW_RIGHT)
            self.must(self.drawn()[0] != before, f"drawing {over} does not follow the token")
            self.capture(f"over{over}")

    def check_pickers(self) -> None:
        self.open()
        for name in ["picture", "layer", "head"]:
            if not self.driver.find_elements(By.CSS_SELECTOR, f"[data-control={name}]"):
                continue
            before = self.drawn()
            self.move(name, 1)
            after = self.drawn()
            self.must(all(a != b for a, b in zip(before, after)), f"a drawing does not follow {name}")

    def read(self) -> None:
        self.size(WIDE)
        self.prefer("light")
        self.open()
        self.check_scale()
        self.check_bars()
        self.check_token()
        self.check_pickers()
        self.check_quiet()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=pathlib.Path)
    arguments = with_browser(parser)
    driver = browser(arguments)
    try:
        reader = InspectionReader(driver, arguments.page, arguments.screenshots)
        reader.read()
    finally:
        driver.quit()
    for problem in reader.problems:
        print(f"{arguments.page}: {problem}")
    print(f"{arguments.page}: {len(reader.problems) or 'no'} problems in what is drawn")
    return 1 if reader.problems else 0


if __name__ == "__main__":
    sys.exit(main())
