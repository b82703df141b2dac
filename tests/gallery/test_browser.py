"""The page in a real browser: no broken image, no word on the console, no overflow."""

import json
import re
import shutil
import subprocess

import pytest

from ddpm_jax.gallery import command
from ddpm_jax.gallery.table import FIGURES

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium is installed: apt-get install chromium"
)
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--enable-logging=stderr", "--window-size=390,800"),
)
# What the page looks like once it has loaded, written into it by a script of the test's.
REPORT = """<script>addEventListener("load", () => {
  const images = [...document.images];
  document.body.dataset.report = JSON.stringify({
    images: images.length,
    broken: images.filter(one => !one.complete || !one.naturalWidth).map(one => one.src),
    beyond: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
  });
});</script>"""


def seen(page, *flags):
    """What a browser says of a page: its report, and the messages on its console."""
    text = page.read_text()
    watched = page.with_name("watched.html")
    watched.write_text(text.replace("</head>", f"{REPORT}</head>"))
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *flags, profile, "--dump-dom", watched.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'data-report="([^"]*)"', done.stdout)
    assert found, done.stderr
    console = re.findall(r":CONSOLE.*", done.stderr)
    return json.loads(found[1].replace("&quot;", '"')), console


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A gallery of two figures on a small grid."""
    path = tmp_path_factory.mktemp("gallery")
    made = "--figures=reverse,deconvolution", "--config.density=mixture"
    assert command.main([f"--out={path}", *made, "--config.grid.num=241"]) == 0
    return path


@pytest.fixture
def page(folder, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(folder, tmp_path / "copy") / "index.html"


def test_the_page_is_whole_on_a_phone(page):
    report, console = seen(page)
    assert console == []
    assert report.pop("background") == "rgb(246, 247, 249)"
    assert report == {"images": 2, "broken": [], "beyond": 0}


def test_an_image_that_is_missing_is_seen(page):
    (page.parent / "reverse.png").unlink()
    report, _ = seen(page)
    assert [name.rpartition("/")[2] for name in report["broken"]] == ["reverse.png"]


def test_an_error_of_a_script_is_seen_and_the_dark_page_is_dark(page):
    text = page.read_text()
    page.write_text(text.replace("</body>", "<script>nosuch()</script></body>"))
    report, console = seen(page, "--blink-settings=preferredColorScheme=0")
    assert len(console) == 1 and "nosuch is not defined" in console[0]
    assert report["background"] == "rgb(15, 17, 19)" and report["broken"] == []


@pytest.mark.long
def test_the_whole_gallery_is_whole_and_its_files_are_small(tmp_path):
    short = ("num_steps=200", "num_samples=1000", "batch_size=1000", "num_examples=20")
    made = [f"--config.two_peaks.{option}" for option in short]
    assert command.main([f"--out={tmp_path}", *made]) == 0
    report, console = seen(tmp_path / "index.html")
    assert console == [] and report["broken"] == [] and report["beyond"] == 0
    assert report["images"] == len(FIGURES)
    sizes = {file.name: file.stat().st_size for file in tmp_path.glob("*.*g")}
    assert len(sizes) == 2 * len(FIGURES) and max(sizes.values()) < 500_000
