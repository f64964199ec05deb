"""Templates: what is done once, when one is compiled, and the parts of pages that are kept."""

from jinja2 import DictLoader, Environment

from chat.templating import InliningEnvironment, environment
from tests.support.people import Person

PAGE = """
{% set word = "outside" %}
<ul>
  {% for number in numbers %}
  {% include "_line.html" %}

  {% endfor %}
</ul>
{{ word }} {{ late is defined }}
"""
LINE = """{% set word = "inside" %}
{% from "_end.html" import end %}
<li>{{ word }} {{ number }} of {{ numbers|length }} <{{ given }}>{% include "_end.html" %}{{ end(number) }}</li>
"""
END = """{% set late = "late" %}{% macro end(number) %}{{ number }} & {{ late }}{% endmacro %}"""


def test_partials_are_rendered_as_jinja_renders_them() -> None:
    loader = DictLoader({"page.html": PAGE, "_line.html": LINE, "_end.html": END})
    ours = InliningEnvironment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    theirs = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    values = {"numbers": [1, 2], "given": "<b>"}
    shown = ours.get_template("page.html").render(values)
    assert shown == theirs.get_template("page.html").render(values)
    assert "inside 2 of 2" in shown
    assert "outside False" in shown


def test_a_rooms_page_is_compiled_with_its_partials_and_icons() -> None:
    loader = environment.loader
    assert loader is not None
    source, _, _ = loader.get_source(environment, "rooms/room.html")
    compiled = environment.compile(source, "rooms/room.html", raw=True)
    assert '<svg class="icon"' in compiled
    assert "resolve('icon')" not in compiled
    assert "messages/_composer.html" not in compiled


def test_no_text_of_a_member_stands_for_a_kept_part_of_a_page(alice: Person) -> None:
    for part in ("html", "none"):
        text = f"<!kept {part}>"
        shown = f"&lt;!kept {part}&gt;"
        alice.post(1, text)
        alice.submit("/profile/name", {"name": text})
        alice.submit("/status", {"emoji": "", "text": text, "until": "always"})
        alice.submit("/rooms", {"name": text, "kind": "open", "topic": text})
        for path in ("/rooms/1", "/rooms/2", "/rooms", f"/search?q={text}", "/profile"):
            page = alice.get(path)
            assert page.status_code == 200
            assert shown in page.text
            assert text not in page.text
            assert page.text.count('<nav id="sidebar"') == 1
