"""The page: its HTML, read back; and in a real browser."""

import html.parser

from ddpm_jax.gallery import page

PLATE = page.Plate(
    title="A title of z_t",
    sentence='Less < more & "alpha" with q(z_{t-1} | z_t) ...',
    theorem="sqrt(alpha_t) s^2 <= beta, alphabet",
    alt='Two curves, "one" below',
    table=[("JS of alpha = 0.9", "0.02 bits")],
    size=(1280, 640),
    config={
        "seed": 4,
        "grid": {"low": -6.0, "high": 6.0, "num": 961},
        "density": "rough",
        "rough": {"seed": 11},
    },
)


class Reader(html.parser.HTMLParser):
    """Tags with their attributes, and those that are open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_plate_has_picture_words_numbers_and_files():
    text = page.html({"melting": PLATE}, {})
    reader = Reader(text)
    assert reader.open == []
    (image,) = (attrs for tag, attrs in reader.tags if tag == "img")
    assert image == {
        "src": "melting.png",
        "width": "1280",
        "height": "640",
        "alt": PLATE.alt,
    }
    links = [attrs["href"] for tag, attrs in reader.tags if tag == "a"]
    assert links == ["#melting", "melting.svg", "melting.svg", "melting.json"]
    assert "<td>JS of &alpha; = 0.9</td><td>0.02 bits</td>" in text
    assert "Less &lt; more &amp; &quot;&alpha;&quot;" in text


def test_a_plate_says_what_it_was_made_with():
    line = "density: rough (seed = 11); grid: 961 points, -6 to 6; seed: 4"
    assert line in page.html({"melting": PLATE}, {})
    assert page.made_with({"seed": 3}) == "seed: 3"


def test_formulas_are_written_as_in_print():
    assert page.formatted("q(z_{t-1} | z_t)") == "q(z<sub>t-1</sub> | z<sub>t</sub>)"
    assert (
        page.formatted(PLATE.theorem)
        == "&radic;(&alpha;<sub>t</sub>) s<sup>2</sup> &le; &beta;, alphabet"
    )
    assert page.formatted("alpha^{k/2} p^2 | z_t") == (
        "&alpha;<sup>k/2</sup> p<sup>2</sup> | z<sub>t</sub>"
    )
    assert page.formatted("x -> infinity") == "x &rarr; &infin;"


def test_the_page_needs_nothing_from_elsewhere():
    text = page.html({"melting": PLATE}, {})
    assert "http" not in text and "<script" not in text
    assert 'name="viewport"' in text and "prefers-color-scheme: dark" in text


def test_a_figure_that_could_not_be_made_is_told_in_its_place():
    plates = {"melting": PLATE, "reverse": PLATE._replace(title="R")}
    failures = {"reverse": "config.x = <3>: write 4", "contraction": "no room"}
    text = page.html(plates, failures)
    assert "<b>reverse</b> could not be made: config.x = &lt;3&gt;: write 4" in text
    assert "<b>contraction</b> could not be made: no room" in text
    order = [text.index(f'<section id="{n}">') for n in (*plates, "contraction")]
    assert order == sorted(order)
    # An older picture is shown still.
    assert text.count("<img") == 2


def test_signs_are_whole_words():
    for word in filter(str.isalpha, page.SIGNS):
        assert page.formatted(f"x{word} {word}x") == f"x{word} {word}x"
        assert page.formatted(word) != word
