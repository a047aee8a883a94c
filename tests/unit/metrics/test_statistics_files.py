"""Files of statistics and of pictures: what is read, and what is refused and why."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from majolica.errors import UserError
from majolica.metrics.frechet import frechet_between
from majolica.metrics.moments import Moments
from majolica.metrics.statistics import load_statistics, save_statistics


def draw(count: int = 40, dimensions: int = 6, seed: int = 0) -> Moments:
    return Moments.of(torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)))


def write(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    path, moments = tmp_path / "deep" / "mine.npz", draw()
    record = {"extractor": "dinov2", "pictures": 40, "name": "Škoda"}
    save_statistics(path, moments, record)
    found = load_statistics(path)
    assert found.record == record
    assert found.count == found.moments.count == 40
    assert torch.equal(found.moments.mean_D, moments.mean_D)
    torch.testing.assert_close(found.moments.scatter_DD, moments.scatter_DD, rtol=1e-14, atol=1e-14)
    assert frechet_between(found.moments, moments) == pytest.approx(0, abs=1e-12)


def test_equal_contents_give_equal_bytes_whatever_the_order_of_the_record(tmp_path: Path) -> None:
    one, two = tmp_path / "1.npz", tmp_path / "2.npz"
    save_statistics(one, draw(), {"a": 1, "b": 2})
    save_statistics(two, draw(), {"b": 2, "a": 1})
    assert one.read_bytes() == two.read_bytes()


def test_other_libraries_find_what_they_look_for(tmp_path: Path) -> None:
    path, moments = tmp_path / "mine.npz", draw()
    save_statistics(path, moments, {})
    with np.load(path) as file:
        assert (file["mu"] == moments.mean_D.numpy()).all()
        assert (file["sigma"] == moments.covariance_DD.numpy()).all()


def test_files_of_pytorch_fid_and_clean_fid_have_no_count_and_keep_their_covariance(tmp_path: Path) -> None:
    moments = draw(dimensions=30)
    sigma = moments.covariance_DD.numpy()
    sigma = (sigma + sigma.T) / 2
    found = load_statistics(write(tmp_path / "theirs.npz", mu=moments.mean_D.numpy(), sigma=sigma))
    assert found.count is None
    assert found.record == {}
    assert (found.moments.covariance_DD.numpy() == sigma).all()


def test_a_file_of_adm_with_images_too_gives_the_statistics_that_are_not_spatial(tmp_path: Path) -> None:
    mu, sigma = np.arange(3.0, dtype=np.float32), np.eye(3, dtype=np.float32)
    images = np.zeros((2, 4, 4, 3), np.uint8)
    found = load_statistics(write(tmp_path / "adm.npz", arr_0=images, mu=mu, sigma=sigma, mu_s=mu[:2], sigma_s=sigma))
    assert found.moments.mean_D.tolist() == [0, 1, 2]
    assert found.moments.mean_D.dtype == torch.float64
    assert torch.equal(found.moments.covariance_DD, torch.eye(3).double())


def test_a_sigma_that_is_symmetric_but_for_rounding_is_read_and_made_symmetric(tmp_path: Path) -> None:
    sigma = np.array([[1.0, 0.5 + 1e-8], [0.5, 1.0]])
    found = load_statistics(write(tmp_path / "s.npz", mu=np.zeros(2), sigma=sigma)).moments.covariance_DD
    assert torch.equal(found, found.T)


MU, SIGMA = np.zeros(2), np.eye(2)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"mu": MU}, "lacks sigma; it holds mu"),
        ({"weights": MU}, "lacks mu and sigma; it holds weights"),
        ({"arr_0": np.zeros((1, 2, 2, 3), np.uint8)}, "holds images .arr_0. and no statistics"),
        ({"feats": np.zeros((4, 2))}, "holds features .feats. and no statistics"),
        ({"reps": np.zeros((4, 2))}, "holds features .reps. and no statistics"),
        ({"mu": MU, "sigma": np.eye(3)}, r"sigma of shape \(3, 3\)"),
        ({"mu": MU[None], "sigma": SIGMA}, r"mu of shape \(1, 2\)"),
        ({"mu": MU, "sigma": np.ones(2)}, r"sigma of shape \(2,\)"),
        ({"mu": MU * np.nan, "sigma": SIGMA}, "values in mu that are infinite or not a number"),
        ({"mu": MU, "sigma": np.full((2, 2), np.inf)}, "values in sigma that are infinite or not a number"),
        ({"mu": MU, "sigma": np.array([[1, 0.5], [0.4, 1]])}, "not symmetric"),
        ({"mu": MU, "sigma": -SIGMA}, "negative variance"),
        ({"mu": MU, "sigma": SIGMA * 1j}, "sigma of type complex128"),
        ({"mu": np.array(["a", "b"]), "sigma": SIGMA}, "mu of type <U1"),
        ({"mu": MU, "sigma": SIGMA, "count": 1}, "a count that is no number of at least 2"),
        ({"mu": MU, "sigma": SIGMA, "count": 2.5}, "a count that is no number"),
        ({"mu": MU, "sigma": SIGMA, "count": 9, "record": np.array("[1]")}, "no JSON object"),
        ({"mu": MU, "sigma": SIGMA, "count": 9, "record": np.array("{")}, "no JSON object"),
    ],
)
def test_what_is_no_statistics_is_refused_in_one_line(arrays: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        load_statistics(write(tmp_path / "odd.npz", **arrays))
    assert "odd.npz" in str(caught.value) and "\n" not in str(caught.value)


class Trap:
    """What a pickle of it would run."""

    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Trap, "sprung", True))


def test_pickles_are_not_run(tmp_path: Path) -> None:
    traps = np.array([Trap()], dtype=object)
    paths = [write(tmp_path / "mu.npz", mu=traps, sigma=SIGMA), write(tmp_path / "record.npz", mu=MU, sigma=SIGMA)]
    with zipfile.ZipFile(paths[1], "a") as archive:
        buffer = io.BytesIO()
        np.save(buffer, traps, allow_pickle=True)
        archive.writestr("record.npy", buffer.getvalue())
    (bare := tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap()))
    for path in (*paths, bare):
        with pytest.raises(UserError, match=r"no whole \.npz file of plain numbers"):
            load_statistics(path)
    assert not Trap.sprung


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    save_statistics(path := tmp_path / "mine.npz", draw(), {})
    whole = path.read_bytes()
    for content in (
        b"",
        whole[: len(whole) // 2],
        b"<html>not found</html>",
        whole.replace(b"\x93NUMPY", b"\x93NUMPX"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"no whole \.npz file"):
            load_statistics(path)
    flipped = bytearray(whole)
    flipped[whole.index(b"\x93NUMPY") + 150] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(UserError, match=r"no whole \.npz file"):
        load_statistics(path)
    with pytest.raises(UserError, match=r"cannot read .*none\.npz: No such file"):
        load_statistics(tmp_path / "none.npz")


def test_a_record_or_moments_that_cannot_be_saved_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two samples"):
        save_statistics(tmp_path / "a.npz", draw(1), {})
    with pytest.raises(TypeError):
        save_statistics(tmp_path / "a.npz", draw(), {"path": tmp_path})
    assert not list(tmp_path.iterdir())
