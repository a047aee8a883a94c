"""Properties whose values are names: counted before training, learned by place, and set by name."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.run import RunConfig
from majolica.config.sources import name_sources
from majolica.data.loading.held_out import find_held_out
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.errors import UserError
from majolica.launch.start import train
from majolica.properties.categories import MOST, NameTable, Numbering, fold_name
from majolica.properties.quantiles import (
    FILE,
    fit_quantiles,
    load_categories,
    load_quantiles,
    save_quantiles,
    spread_evenly,
    to_quantile,
)
from majolica.properties.registry import choose_categories, choose_measured, find_property, is_smooth, read_all
from majolica.sampling.inputs import read_properties
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer
from majolica.train.property_values import measure_property_values
from majolica.train.watch.heldout import read_heldout
from tiny import tiny_run
from two_sources import mix_sources, write

SOURCE = find_property("source")
TABLE = NameTable(("coyo", "laion", "my drawings"))


def test_a_name_has_its_place_among_the_names() -> None:
    assert [TABLE(name) for name in TABLE.names] == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert math.isnan(TABLE("openmoji")) and math.isnan(TABLE("")) and math.isnan(NameTable()("coyo"))


def test_the_place_is_what_the_model_is_told() -> None:
    values = torch.tensor([[TABLE(name)] for name in TABLE.names])
    knots = fit_quantiles(SOURCE, values.flatten().repeat(99))
    assert torch.equal(knots, spread_evenly(SOURCE))
    torch.testing.assert_close(to_quantile(values, knots[None]), values)


def test_the_most_frequent_names_come_first_and_equal_ones_by_the_alphabet() -> None:
    numbering = Numbering()
    numbers = [numbering(name) for name in ("b", "c", "a", "c", "", "b", "d", "c")]
    assert math.isnan(numbers[4])
    assert numbering.choose(numbers).names == ("c", "b", "a", "d")
    assert numbering.choose(numbers[:2]).names == ("b", "c")  # what was not delivered does not count
    assert numbering.choose([math.nan]).names == ()
    many = Numbering()
    numbers = [many(f"name {i:02}") for i in range(MOST + 8) for _ in range(i + 1)]
    assert many.choose(numbers).names == tuple(f"name {i:02}" for i in range(MOST + 7, 7, -1))


def test_names_are_compared_in_small_letters() -> None:
    assert fold_name("  My\n Drawings") == "my drawings" and fold_name(" ") == ""


def test_the_source_is_a_column_or_else_the_folder() -> None:
    read = {"source": TABLE}
    metas: tuple[dict[str, object], ...] = (
        {"source": "LAION"},
        {"dataset": "coyo "},
        {"source": 3, "source_folder": "coyo"},
        {"source": "x"},
        {},
    )
    values = [read_all(("source",), meta, read)[0] for meta in metas]
    assert values == pytest.approx([0.5, 1 / 6, 1 / 6, math.nan, math.nan], nan_ok=True)
    assert math.isnan(read_all(("source",), {"source": "coyo"})[0])


@pytest.mark.parametrize(
    ("shards", "name"),
    [("data/coyo", "coyo"), ("/data/openmoji/train/", "openmoji"), ("s3://bucket/laion/shards", "laion")],
)
def test_a_folder_that_says_nothing_has_the_name_of_the_one_around_it(shards: str, name: str) -> None:
    assert name_sources(DataConfig(shards=shards)) == (name,)
    assert name_sources(DataConfig(sources=(SourceConfig("train"), SourceConfig(shards)))) == ("train", name)


def test_pixels_do_not_tell_it() -> None:
    names = ("source", "hue", "brightness", "aesthetic_score")
    assert choose_categories(names) == ("source",)
    assert choose_measured(names) == ("hue", "brightness") and not is_smooth("source")


def test_names_are_kept_beside_the_quantiles(tmp_path: Path) -> None:
    even = {name: spread_evenly(find_property(name)) for name in ("contrast", "source")}
    save_quantiles(tmp_path, even, {"source": TABLE})
    assert load_categories(tmp_path, ("contrast", "source")) == {"source": TABLE}
    assert torch.equal(load_quantiles(tmp_path, ("contrast", "source")), torch.stack(list(even.values())))
    save_quantiles(tmp_path, {"contrast": even["contrast"]})
    assert load_categories(tmp_path, ("source",)) == {"source": NameTable()}
    assert load_categories(tmp_path / "older", ("source", "hue")) == {"source": NameTable()}


@pytest.mark.parametrize("names", ['"coyo"', '["Coyo"]', '["coyo", "coyo"]', "[3]", '[""]', "null"])
def test_damaged_names_are_one_line(tmp_path: Path, names: str) -> None:
    (tmp_path / FILE).write_text(f'{{"source": {{"names": {names}}}}}')
    with pytest.raises(UserError, match=f"{FILE} cannot be read .*restore it"):
        load_categories(tmp_path, ("source",))


def values_of(given: Any, count: int = 1, table: NameTable | None = TABLE) -> list[float]:
    tables = {} if table is None else {"source": table}
    return read_properties({"source": given}, {}, count, tables)["source"].tolist()


def test_it_is_set_by_name_in_any_case() -> None:
    assert values_of("LAION") == [0.5] and values_of(" my  Drawings") == pytest.approx([5 / 6])
    assert values_of(["coyo", "laion"], 2) == pytest.approx([1 / 6, 0.5])
    assert values_of("laion", 3) == [0.5] * 3
    assert values_of(2014.0, 1, NameTable(("2014",))) == [0.5]  # the command line has taken it for a number
    assert (
        values_of(20231105, 1, NameTable(("20231105",))) == values_of(20231105.0, 1, NameTable(("20231105",))) == [0.5]
    )
    assert values_of("p90", 1, NameTable(("p90",))) == [0.5]
    assert values_of(torch.tensor([0.5])) == [0.5]  # read before


@pytest.mark.parametrize(
    ("given", "count", "table", "message"),
    [
        ("layon", 1, TABLE, "unknown source 'layon': did you mean 'laion'"),
        (0.5, 1, TABLE, "unknown source '0.5': known are coyo, laion, my drawings"),
        ("p90", 1, TABLE, "source is p90: names have no percentiles, so give one of coyo, laion, my drawings"),
        (["coyo", "laion"], 3, TABLE, "source has 2 values for 3 pictures"),
        (torch.tensor([0.4]), 1, TABLE, "give names of it, as 'coyo'"),
        ("coyo", 1, None, "source is a category, and this run was not trained with it"),
        ("coyo", 1, NameTable(), "this run has no names of it in its properties.json"),
    ],
)
def test_what_is_no_name_is_one_line(given: Any, count: int, table: NameTable | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        values_of(given, count, table)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("threads", [0, 2])
def test_rows_carry_the_names_of_their_own_samples(tmp_path: Path, threads: int) -> None:
    config = DataConfig(sources=mix_sources(tmp_path), threads=threads)
    with Loader(
        config, 6, LoaderSizes(16), 0, columns=("source",), categories={"source": NameTable(("coyo",))}
    ) as loader:
        for batch in itertools.islice(loader, 4):
            bright_B = batch.images_B3HW[:, 0, 0, 0] > 100
            assert torch.equal(batch.columns["source"].isnan(), bright_B)
            assert batch.columns["source"][~bright_B].unique().tolist() == [0.5]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunConfig]:
    """A run of two sources that knows brightness and the source."""
    home = tmp_path_factory.mktemp("categories")
    config = tiny_run(home, steps=3)
    model = replace(config.model, properties=("brightness", "source"))
    quick = replace(config.train, trackers=(), heldout_every=1, heldout_share=1.0)
    config = replace(config, model=model, train=quick, data=replace(config.data, shards="", sources=mix_sources(home)))
    write(home / "Coyo" / "heldout", 40)
    train(config, home / "run")
    return home / "run", config


def test_a_run_learns_a_category_and_paints_by_its_names(run: tuple[Path, RunConfig]) -> None:
    folder, _ = run
    assert json.loads((folder / FILE).read_text())["source"]["names"] == ["coyo", "laion"]
    pipeline = Pipeline.load(folder)
    asked = pipeline.condition(["a", "b"], {"source": ["LAION", "coyo"]})
    assert asked.values_BP[:, 1].tolist() == [0.75, 0.25] and asked.has_value_BP.tolist() == [[False, True]] * 2
    together = pipeline.paint(["a fox"] * 2, steps=2, seed=3, properties={"source": ["laion", "coyo"]}, batch=2)
    alone = pipeline.paint("a fox", steps=2, seed=3, properties={"source": "laion", "brightness": 0.5}, hold=True)
    assert together.shape[0] == 2 and alone.shape[0] == 1
    tokens_BPC = pipeline.model.conditions._encode(pipeline.model.conditions.compute_places(asked))
    assert (tokens_BPC[0, 1] - tokens_BPC[1, 1]).norm() > 0.1


def test_held_out_pictures_have_the_name_of_the_folder_beside_theirs(run: tuple[Path, RunConfig]) -> None:
    folder, config = run
    tables, tokenizer = load_categories(folder, ("source",)), Tokenizer(folder / "tokenizer.model")
    pictures = read_heldout(find_held_out(config.data), config, tokenizer, tables)
    assert pictures.columns["source"].tolist() == [0.25] * 6


def test_a_run_that_begins_with_it_keeps_its_names(run: tuple[Path, RunConfig], tmp_path: Path) -> None:
    folder, config = run
    turned = replace(config.data, sources=(replace(config.data.sources[0], weight=0.1), config.data.sources[1]))
    measure_property_values(replace(config, data=turned), tmp_path)
    assert load_categories(tmp_path, ("source",))["source"].names == ("laion", "coyo")
    begun = replace(config, data=turned, train=replace(config.train, init_from=str(folder)))
    measure_property_values(begun, tmp_path)
    assert load_categories(tmp_path, ("source",))["source"].names == ("coyo", "laion")
