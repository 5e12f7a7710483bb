"""Drives the page of `burn-topology analyze` in a headless Chromium, as a reader would.

    python3 scripts/drive_inspection.py REPORT/report.html [--screenshots DIR]

What is said beside the drawings must agree with what was asked for: the scale with the complex, a chosen bar with
the scale at which it is born, the chosen token with the keys. Bars are looked for in every layer and head; where there
are none the page must say so. `drive_page.py` looks at everything else. Needs selenium, and a Chromium and its
chromedriver on the PATH.
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
        text = self.run(f"return document.getElementById('{name}').textContent")
        return text.replace("\u00a0", " ")

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
        open_cycles = re.search(r"β1 = (\d+)", self.text("state"))
        self.must(not open_cycles or open_cycles.group(1) == "0", "a cycle is open at the last stop")

    def count(self, name: str) -> int:
        """Options of a choice; one where there is nothing to choose."""
        script = f"return document.querySelector('[data-control={name}]')?.options.length ?? 1"
        return self.run(script)

    def dims(self) -> list[int]:
        """Homology dimensions in the order in which they can be chosen."""
        script = "return [...document.querySelectorAll('[data-control=bars] option')].map((option) => option.text)"
        return [int(text[1:]) for text in self.run(script)] or [0]

    def choose(self, name: str, value: int) -> None:
        if self.count(name) > 1:
            self.move(name, value)

    def find_bars(self, dim: int) -> bool:
        """Goes to the first layer and head with bars of a dimension."""
        self.open()
        self.choose("bars", self.dims().index(dim))
        for layer in range(self.count("layer")):
            self.choose("layer", layer)
            for head in range(self.count("head")):
                self.choose("head", head)
                # Empty for a head that was left out.
                is_there = self.text("state") != ""
                if is_there and self.text("chosen") != f"There is no bar in H{dim}.":
                    return True
                self.canvas("as_bars").send_keys(Keys.ARROW_DOWN)
                self.must(not self.text("chosen").startswith("Bar "), f"a bar is chosen where H{dim} has none")
        return False

    def check_first_view(self) -> None:
        self.open()
        said = self.text("chosen")
        self.must(said.startswith("Bar "), f"no bar is chosen at first: {said}")
        self.must("never dies" not in said or " of 1 in H0" in said, f"the first bar never dies: {said}")

    def check_bars(self, dim: int) -> None:
        if not self.find_bars(dim):
            print(f"{self.address}: no bar in H{dim} anywhere, and the page says so")
            return
        bars = self.canvas("as_bars")
        bars.send_keys(Keys.HOME)
        said = self.text("chosen")
        found = re.match(rf"Bar 1 of (\d+) in H{dim}, ", said)
        self.must(found is not None, f"the key Home does not choose the first bar of H{dim}: {said}")
        if dim > 0:
            self.must(self.number(rf"β{dim} = (\d+)") > 0, f"no class of H{dim} is alive where the longest bar is born")
        if found and int(found.group(1)) > 1:
            bars.send_keys(Keys.ARROW_DOWN)
            self.must(self.text("chosen").startswith("Bar 2 of "), "the key down does not choose the next bar")
            bars.send_keys(Keys.HOME)
            self.must(self.text("chosen") == said, "the key Home does not choose the first bar again")
        drawn = self.drawn()
        bars.send_keys(Keys.ESCAPE)
        self.must(self.text("chosen") == "No bar is chosen.", "Escape does not let go of the bar")
        # The bar that never dies has nothing but its place among the bars.
        kept = [place for place, (a, b) in enumerate(zip(self.drawn(), drawn)) if a == b]
        self.must(not kept or dim == 0 and kept == [0, 1], f"a bar that was let go of stays in drawings {kept}")
        self.move("scale", 0)
        # A click in the first bar, from its centre.
        height, width = self.run("const b = document.getElementById('as_bars').getBoundingClientRect();"
                                 "return [b.height, b.width]")
        self.click(bars, width / 2, 12.6)
        self.must(self.text("chosen") == said, f"a click does not choose the first bar: {self.text('chosen')}")
        self.must(self.value("scale") > 0, "the scale does not follow a chosen bar")
        self.click(self.canvas("as_points"), width / 2, height / 2)
        self.must(f" in H{dim}, " in self.text("chosen"), f"a point is not chosen: {self.text('chosen')}")
        if dim == 0:
            # Just before two components meet there are one more than after.
            bars.send_keys(Keys.END)
            before = self.number(r": ([\d,]+) component")
            self.move("scale", min(self.value("scale") + 2, self.last("scale")))
            self.must(self.number(r": ([\d,]+) component") < before, "no components meet where a bar of H0 dies")
        for other in range(self.count("bars")):
            if self.dims()[other] != dim:
                self.move("bars", other)
                self.must(not self.text("chosen").startswith("Bar "), "a bar outlives its dimension")

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
        # Tokens before the patches may lie at the left.
        width = self.run("return arguments[0].getBoundingClientRect().width", picture)
        self.click(picture, width - 3, 3)
        last = re.search(r"Token: patch 0,(\d+)\.$", self.text("state"))
        self.must(last is not None, f"a click misses: {self.text('state')}")
        picture.send_keys(Keys.ARROW_LEFT, Keys.ARROW_DOWN)
        expected = f"Token: patch 1,{int(last.group(1)) - 1 if last else 0}."
        self.must(self.text("state").endswith(expected), f"keys miss: {self.text('state')}")
        for over in range(1, self.count("over")):
            before = self.drawn()[0]
            self.move("over", over)
            self.must(self.drawn()[0] != before, f"drawing {over} over the picture changes nothing")
            before = self.drawn()[0]
            picture.send_keys(Keys.ARROW_RIGHT if over % 2 else Keys.ARROW_LEFT)
            self.must(self.drawn()[0] != before, f"drawing {over} does not follow the token")
            self.capture(f"over{over}")

    def check_pickers(self) -> None:
        self.open()
        # Of components there are always bars.
        self.choose("bars", self.dims().index(0))
        for name in ["picture", "layer", "head"]:
            if self.count(name) == 1:
                continue
            before = self.drawn()
            self.move(name, 1)
            # The complex over the picture may be the same, as where it has all its edges.
            kept = [place for place, (a, b) in enumerate(zip(before, self.drawn())) if a == b]
            self.must(kept in ([], [0]) and (not kept or name != "picture"), f"drawings {kept} do not follow {name}")

    def read(self) -> None:
        self.size(WIDE)
        self.prefer("light")
        self.open()
        self.check_scale()
        self.check_first_view()
        for dim in self.dims():
            self.check_bars(dim)
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
