"""The shades of the installation's colour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.accounts import colours
from chat.accounts.colours import Colour, colour, contrast, shades_of
from tests.support.server import ROOT

CHANNEL = st.integers(0, 255).map(lambda value: value / 255)


@given(st.builds(Colour, CHANNEL, CHANNEL, CHANNEL))
def test_every_colour_gives_shades_that_are_readable_in_both_themes(chosen: Colour) -> None:
    for shades, theme in zip(shades_of(chosen), (colours._LIGHT, colours._DARK), strict=True):
        # As a browser reads them.
        accent, strong, ink, wash, on_accent = (
            parsed(str(each)) for each in (shades.accent, shades.strong, shades.ink, shades.wash, shades.on_accent)
        )
        assert min(contrast(on_accent, ground) for ground in (accent, strong)) >= 4.5
        for ground in theme.grounds:
            assert min(contrast(shade, ground) for shade in (accent, strong, ink)) >= 4.5
        assert min(contrast(ink, wash), contrast(ink, theme.tint)) >= 4.5


def parsed(text: str) -> Colour:
    found = colour(text)
    assert found is not None
    return found


def test_a_readable_colour_stays_as_it_is_and_another_keeps_its_hue() -> None:
    light, dark = shades_of(parsed("#336699"))
    assert str(light.accent) == "#336699"
    assert dark.accent.blue > dark.accent.green > dark.accent.red > 0.3
    light, dark = shades_of(parsed("ffd400"))
    assert str(dark.accent) == "#ffd400"
    assert light.accent.red > light.accent.green > light.accent.blue


def test_contrast_is_that_of_the_standard() -> None:
    black, white, grey = parsed("#000000"), parsed("#FFFFFF"), parsed("#767676")
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("text", ["", "#fff", "336699;", "#33669g", "red", "#3366991", " #336699", "#336699\n"])
def test_other_texts_are_no_colour(text: str) -> None:
    assert colour(text) is None


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    """A ground that becomes darker or lighter must be measured, too."""
    css = (ROOT / "static/css/base.css").read_text()
    for name, light, dark in (("paper", "#fff", "22.5"), ("surface", "96.3", "18"), ("raised", "#fff", "26")):
        line = re.findall(rf"--{name}: light-dark\((.*)\);", css)[0]
        assert light in line, name
        assert f"oklch({dark}%" in line, name
