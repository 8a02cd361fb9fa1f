"""Open a page in Chromium, run a script in it, and read what the script put into the title."""

from __future__ import annotations

import html as entities
import json
import re
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")


def opened(html, probe, tmp_path, *arguments):
    """What the probe saw, and what the console said. The policy of the page is lifted for the probe alone."""
    page = tmp_path / "page.html"
    page.write_text(re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", html) + probe)
    run = chromium_on(page, tmp_path, *arguments)
    title = re.search(r"<title>(\{.*?\})</title>", run.stdout, re.S)
    assert title, run.stderr[-2000:]
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(entities.unescape(title[1])), console


def chromium_on(page, tmp_path, *arguments):
    """The finished document of a page on standard output, the console on standard error."""
    chromium = next(filter(None, map(shutil.which, NAMES)))
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0", *arguments]
    command += ["--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def in_the_dark(html):
    """The page as somebody sees it who prefers dark pages."""
    return html.replace("(prefers-color-scheme: dark)", "all").replace("color-scheme: light dark", "color-scheme: dark")


def framed(html, width):
    """The page in a frame of a phone's width: a window cannot be made so narrow. It reports to the outer title."""
    inside = entities.escape(html.replace("document.title =", "top.document.title ="), quote=True)
    return f'<!doctype html><title>x</title><iframe srcdoc="{inside}" style="width:{width}px;height:2000px"></iframe>'
