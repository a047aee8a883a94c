"""Runs that go to the server of these tests from other processes, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from majolica.config.fetch import FetchConfig


@pytest.fixture
def config(config: FetchConfig) -> FetchConfig:
    """Loopback is allowed: these tests also fetch from other processes."""
    return replace(config, web=replace(config.web, allow_private=True), per_shard=10, dedup=True)
