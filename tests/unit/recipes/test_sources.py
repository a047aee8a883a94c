"""Each source's recipe is valid, says what it is, and survives YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.config.filter import FilterConfig, check_filter
from majolica.config.io import read_config, save_config
from majolica.data.filter.rules import check_columns, list_reasons
from majolica.errors import UserError
from majolica.recipes.filter import SOURCES, source, summarise_source

# Columns that a file of the source has, canonical names.
HAVE = {
    "laion2b-en": {"url", "text", "id", "width", "height", "license", "nsfw", "similarity"},
    "laion-aesthetic": {"url", "text", "width", "height", "similarity", "punsafe", "pwatermark", "aesthetic", "phash"},
    "coyo-700m": {"url", "text", "id", "width", "height", "phash", "similarity", "punsafe", "pwatermark", "aesthetic"},
    "private": {"url", "text"},
}


@pytest.mark.parametrize("name", SOURCES)
def test_valid_and_named(name: str, tmp_path: Path) -> None:
    config = check_filter(source(name))
    assert config.recipe == name
    assert 20 < len(summarise_source(name)) < 120
    save_config(config, tmp_path / "c.yaml")
    assert read_config(tmp_path / "c.yaml", FilterConfig(), source) == config


@pytest.mark.parametrize("name", SOURCES)
def test_the_rules_fit_the_columns_of_the_source(name: str) -> None:
    check_columns(source(name), HAVE[name], name)  # raises where a rule would drop every row
    assert len(list_reasons(source(name))) >= 3


@pytest.mark.parametrize("name", ["laion2b-en", "laion-aesthetic", "coyo-700m"])
def test_what_comes_from_the_web_has_a_block_list_and_a_cap(name: str) -> None:
    domain = source(name).rules.domain
    assert "shutterstock.com" in domain.blocked and domain.cap > 0


def test_a_mistyped_name() -> None:
    with pytest.raises(UserError, match="unknown source 'coyo': did you mean 'coyo-700m'"):
        source("coyo")
