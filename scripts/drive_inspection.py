"""Drives the page of `burn-topology analyze` in a headless Chromium, as a reader would.

    python3 scripts/drive_inspection.py REPORT/report.html [--screenshots DIR]

The text beside the drawings must agree with the controls: the numbers of the complex with the diameter, the selected
bar with the diameter of its birth, and the selected token with the keys. Bars are searched for in every layer and head,
and where there are none the page must say so. `drive_page.py` checks everything else. Needs selenium, and a Chromium
and its chromedriver on the PATH.
"""

import argparse
import pathlib
import re
import sys

from drive_page import WIDE, By, Keys, Reader, browser, with_browser


class InspectionReader(Reader):
    """Simulated reader of the page of an inspection."""

    def text(self, name: str) -> str:
        self.drawn()
        text = self.run(f"return document.getElementById('{name}').textContent")
        return text.replace("\u00a0", " ")

    def number(self, pattern: str) -> int:
        match = re.search(pattern, self.text("state"))
        self.must(match is not None, f"the state does not match {pattern}: {self.text('state')}")
        return int(match.group(1).replace(",", "")) if match else -1

    def canvas(self, name: str):
        return self.driver.find_element(By.ID, name)

    def last(self, name: str) -> int:
        return int(self.run(f"return document.querySelector('[data-control={name}]').max"))

    def check_diameter(self) -> None:
        self.move("diameter", 0)
        isolated, components = self.number(r"\(([\d,]+) isolated"), self.number(r": ([\d,]+) component")
        self.must(isolated == components, f"{components} components before the first edge, {isolated} isolated")
        self.must(self.number(r"([\d,]+) edge") == 0, "there are edges below the shortest one")
        edges = []
        for stop in range(0, self.last("diameter") + 1, 24):
            self.move("diameter", stop)
            edges.append(self.number(r"([\d,]+) edge"))
        self.must(edges == sorted(edges), f"edges disappear as the diameter grows: {edges}")
        self.move("diameter", self.last("diameter"))
        self.must(self.number(r": ([\d,]+) component") == 1, "the components are not connected at the last stop")
        open_cycles = re.search(r"β1 = (\d+)", self.text("state"))
        self.must(not open_cycles or open_cycles.group(1) == "0", "a cycle is open at the last stop")

    def count(self, name: str) -> int:
        """Number of options of a choice; 1 if the choice is absent."""
        script = f"return document.querySelector('[data-control={name}]')?.options.length ?? 1"
        return self.run(script)

    def dims(self) -> list[int]:
        """Homology dimensions in the order of the options."""
        script = "return [...document.querySelectorAll('[data-control=bars] option')].map((option) => option.text)"
        return [int(text[1:]) for text in self.run(script)] or [0]

    def choose(self, name: str, value: int) -> None:
        if self.count(name) > 1:
            self.move(name, value)

    def find_bars(self, dim: int) -> bool:
        """Opens the first layer and head with bars of a dimension; False if there are none."""
        self.open()
        self.choose("bars", self.dims().index(dim))
        for layer in range(self.count("layer")):
            self.choose("layer", layer)
            for head in range(self.count("head")):
                self.choose("head", head)
                # Empty for a matrix that was left out.
                is_included = self.text("state") != ""
                if is_included and self.text("selected") != f"There is no bar in H{dim}.":
                    return True
                self.canvas("as_bars").send_keys(Keys.ARROW_DOWN)
                self.must(not self.text("selected").startswith("Bar "), f"a bar is selected although H{dim} has none")
        return False

    def check_first_view(self) -> None:
        self.open()
        selection = self.text("selected")
        self.must(selection.startswith("Bar "), f"no bar is selected at first: {selection}")
        self.must("never dies" not in selection or " of 1 in H0" in selection, f"the first bar never dies: {selection}")

    def check_bars(self, dim: int) -> None:
        if not self.find_bars(dim):
            print(f"{self.address}: no matrix has a bar in H{dim}, and the page says so")
            return
        bars = self.canvas("as_bars")
        bars.send_keys(Keys.HOME)
        selection = self.text("selected")
        match = re.match(rf"Bar 1 of (\d+) in H{dim}, ", selection)
        self.must(match is not None, f"the Home key does not select the first bar of H{dim}: {selection}")
        if dim > 0:
            self.must(self.number(rf"β{dim} = (\d+)") > 0, f"H{dim} has no class where the longest bar is born")
        if match and int(match.group(1)) > 1:
            bars.send_keys(Keys.ARROW_DOWN)
            self.must(self.text("selected").startswith("Bar 2 of "), "the down key does not select the next bar")
            bars.send_keys(Keys.HOME)
            self.must(self.text("selected") == selection, "the Home key does not select the first bar again")
        drawn = self.drawn()
        bars.send_keys(Keys.ESCAPE)
        self.must(self.text("selected") == "No bar is selected.", "Escape does not clear the selection")
        # The essential bar has no edges, so its selection is visible only in the last two drawings.
        unchanged = [index for index, (a, b) in enumerate(zip(self.drawn(), drawn)) if a == b]
        self.must(
            not unchanged or dim == 0 and unchanged == [0, 1],
            f"a deselected bar is still drawn in drawings {unchanged}",
        )
        self.move("diameter", 0)
        # Clicks into the middle of the first bar.
        height, width = self.run("const b = document.getElementById('as_bars').getBoundingClientRect();"
                                 "return [b.height, b.width]")
        self.click(bars, width / 2, 12.6)
        # Hundreds of bars are less than a pixel high each.
        is_wide = match is not None and int(match.group(1)) <= 300
        self.must(
            self.text("selected") == selection or not is_wide,
            f"a click does not select the first bar: {self.text('selected')}",
        )
        self.must(self.value("diameter") > 0, "the diameter does not follow the selected bar")
        self.click(self.canvas("as_points"), width / 2, height / 2)
        self.must(f" in H{dim}, " in self.text("selected"), f"no point is selected: {self.text('selected')}")
        if dim == 0:
            # Just before two components merge there is one more than after.
            bars.send_keys(Keys.END)
            before = self.number(r": ([\d,]+) component")
            self.move("diameter", min(self.value("diameter") + 2, self.last("diameter")))
            self.must(self.number(r": ([\d,]+) component") < before, "no components merge where a bar of H0 dies")
        for other in range(self.count("bars")):
            if self.dims()[other] != dim:
                self.move("bars", other)
                is_selected = self.text("selected").startswith("Bar ")
                self.must(not is_selected, "a bar stays selected after a change of dimension")

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
        canvas = self.canvas("over_image")
        # Prefix tokens may lie to the left of the image.
        width = self.run("return arguments[0].getBoundingClientRect().width", canvas)
        self.click(canvas, width - 3, 3)
        last = re.search(r"Token: patch 0,(\d+)\.$", self.text("state"))
        self.must(last is not None, f"a click misses: {self.text('state')}")
        canvas.send_keys(Keys.ARROW_LEFT, Keys.ARROW_DOWN)
        expected = f"Token: patch 1,{int(last.group(1)) - 1 if last else 0}."
        self.must(self.text("state").endswith(expected), f"keys miss: {self.text('state')}")
        for overlay in range(1, self.count("overlay")):
            before = self.drawn()[0]
            self.move("overlay", overlay)
            self.must(self.drawn()[0] != before, f"overlay {overlay} does not change the image")
            before = self.drawn()[0]
            canvas.send_keys(Keys.ARROW_RIGHT if overlay % 2 else Keys.ARROW_LEFT)
            self.must(self.drawn()[0] != before, f"overlay {overlay} does not follow the token")
            self.capture(f"overlay{overlay}")

    def check_pickers(self) -> None:
        self.open()
        # Dimension 0 always has bars.
        self.choose("bars", self.dims().index(0))
        for name in ["image", "layer", "head"]:
            if self.count(name) == 1:
                continue
            before = self.drawn()
            self.move(name, 1)
            # The complex on the image may be the same, as where it has all its edges.
            unchanged = [index for index, (a, b) in enumerate(zip(before, self.drawn())) if a == b]
            follows = unchanged in ([], [0]) and (not unchanged or name != "image")
            self.must(follows, f"drawings {unchanged} do not follow {name}")

    def read(self) -> None:
        self.size(WIDE)
        self.prefer("light")
        self.open()
        self.check_diameter()
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
    print(f"{arguments.page}: {len(reader.problems) or 'no'} problems in the drawings")
    return 1 if reader.problems else 0


if __name__ == "__main__":
    sys.exit(main())
