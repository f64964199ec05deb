"""Errors that every feature shares; `web/errors.py` turns them into status pages."""


class CannotRun(Exception):
    """A command cannot do what it was asked; the text is one line that tells whoever runs the chat why."""


class NotFound(Exception):
    """It does not exist, or this person may not see it: the two look the same from outside."""


class Forbidden(Exception):
    """This person sees the thing but may not do that to it; the text says why."""


class InvalidInput(Exception):
    """What was typed cannot be taken; `errors` maps a field's name to what is wrong ("form" for the whole form)."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = errors
