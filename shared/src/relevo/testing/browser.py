"""The real browser in tests: the system's Chromium, headless."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

from relevo.testing.services import PATIENCE

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser that RELEVO_CHROMIUM or the path names; the test is skipped, visibly, where there is none."""
    path = os.environ.get("RELEVO_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        lacking = "no browser: `apt-get install chromium`, or set RELEVO_CHROMIUM to one"
        # Where CI runs its absence is a failure; a person without root sees what was not run, and why.
        pytest.fail(lacking, pytrace=False) if os.environ.get("CI") else pytest.skip(lacking)
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=_QUIET.split())
        try:
            yield opened
        finally:
            await opened.close()
