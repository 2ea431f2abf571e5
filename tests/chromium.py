"""Tests of pages need Chromium."""

import pytest

from tools.chromium import CHROMIUM

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
