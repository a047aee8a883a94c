"""Pictures and matrices, safe with any caption."""

from __future__ import annotations

import base64
import re

from majolica.html.figures import FigurePicture, data_url, img, picture_grid, picture_rows, picture_wall
from majolica.html.matrices import confusion_heat, share_matrix

PICTURE = FigurePicture(data_url(b"content", "png"), 7, 5, 'say "hi" <b>', tip='a "tip"')


def test_a_picture_holds_its_content_and_says_its_size() -> None:
    tag = img(PICTURE)
    data = re.search(r'src="data:image/png;base64,([^"]+)"', tag)
    assert data and base64.b64decode(data[1]) == b"content"
    assert 'width="7" height="5"' in tag
    assert "<b>" not in tag and '"hi"' not in tag and '"tip"' not in tag


def test_what_stands_below_a_picture() -> None:
    judged = FigurePicture("", 2, 2, "a fox", "fox, 90% sure", right=True)
    html = picture_grid([judged])
    assert "<span>a fox</span>" in html and '<span class="good">✓ fox, 90% sure</span>' in html
    assert "figcaption" not in picture_grid([FigurePicture("", 2, 2)])
    assert "<em>no words</em>" in picture_wall([FigurePicture("", 2, 2)], "no words")
    assert len(picture_wall([FigurePicture("", 2, 2, "long " * 20_000)], "no words")) < 2_000


def test_a_wall_keeps_the_shapes_of_pictures_within_reason() -> None:
    wall = picture_wall([FigurePicture("", *size) for size in ((30, 20), (1, 900), (900, 1), (1, 0))], "no words")
    assert re.findall(r"--r:([\d.]+)", wall) == ["1.500", "0.400", "3.000", "1.000"]


def test_rows_stand_under_their_headings() -> None:
    html = picture_rows(("1 px", "2 px"), [("a fox", [PICTURE, PICTURE])])
    assert html.index("<b>1 px</b>") < html.index("<b>2 px</b>") < html.index("a fox") < html.index("<img")
    assert html.count("<img") == 2


def test_matrices() -> None:
    assert '<td style="--v:0.50">-0.50</td>' in share_matrix([[-0.5]], ["row"], ["column"])
    heat = confusion_heat([[3, 1], [0, 2]], ["fox", "owl"])
    titles = re.findall("<title>(.*?)</title>", heat)
    assert titles == ["fox: 3 of 4 called fox", "fox: 1 of 4 called owl", "owl: 2 of 2 called owl"]
    assert heat.count('class="hit"') == 2 and heat.count('class="miss"') == 1
