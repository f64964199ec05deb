"""Talk in Latin letters, Korean and Japanese, in which few words are frequent and most are rare (Zipf's law)."""

import itertools
import random
from collections.abc import Iterator

SYLLABLES = [
    consonant + vowel
    for consonant in ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "st", "tr")
    for vowel in ("a", "e", "i", "o", "u", "ai", "ou")
]
WORDS = 50_000


class Talk:
    """Messages of a dozen words each, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        hangul = [chr(self._random.randrange(0xAC00, 0xD7A3)) for _ in range(800)]
        han = [chr(self._random.randrange(0x4E00, 0x9FFF)) for _ in range(1500)]
        self.latin = self._vocabulary(SYLLABLES, (1, 2, 2, 3, 3, 4))
        self.korean = self._vocabulary(hangul, (2, 2, 3, 4))
        self.japanese = self._vocabulary(han, (1, 2, 2, 3))
        self._weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(WORDS)))

    def messages(self, count: int) -> Iterator[str]:
        """Return `count` messages."""
        for _ in range(count):
            chosen, space = self._random.choices(
                [(self.latin, " "), (self.korean, " "), (self.japanese, "")], cum_weights=[0.84, 0.92, 1.0]
            )[0]
            length = max(1, int(self._random.expovariate(1 / 12)))
            said = space.join(self._random.choices(chosen, cum_weights=self._weights, k=length))
            yield f"{said} https://example.org/{chosen[0]}" if self._random.random() < 0.03 else said

    def _vocabulary(self, parts: list[str], lengths: tuple[int, ...]) -> list[str]:
        words: dict[str, None] = {}
        while len(words) < WORDS:
            words["".join(self._random.choices(parts, k=self._random.choice(lengths)))] = None
        return list(words)
