"""The contents of a frame, as a page would understand it."""

import re


def text_of(frame: bytes) -> str:
    """The text of an unmasked websocket text frame (RFC 6455, 5.2)."""
    assert frame[0] == 0x81, "a single final text frame"
    header = {126: 4, 127: 10}.get(frame[1], 2)
    size = frame[1] if header == 2 else int.from_bytes(frame[2:header])
    assert len(frame) == header + size, "the length is right"
    return frame[header:].decode()


def changes_in(frame: bytes) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int | None]:
    """New and changed messages as (id, revision), and the cursor; for frames made by the revision tests."""
    new, changed = [], []
    text, row = text_of(frame), r'<li id="m-(\d+)" data-revision="(\d+)">'
    if text.startswith("<li"):
        new = [(int(a), int(b)) for a, b in re.findall(row, text)]
        return new, [], new[-1][1]
    for target, swap, items in re.findall(
        r'<hx-partial hx-target="#([\w-]+)" hx-swap="(\w+)">(.*?)</hx-partial>', text
    ):
        found = [(int(a), int(b)) for a, b in re.findall(row, items)]
        if swap == "upsert":
            assert target == "messages"
            new += found
        else:
            assert swap == "outerMorph"
            assert [target] == [f"m-{message_id}" for message_id, _ in found]
            changed += found
    cursor = re.findall(r'<chat-cursor data-cursor="(\d+)"></chat-cursor>', text)
    return new, changed, int(cursor[0]) if cursor else None
