"""The pages. Importing this registers the `id` path convertor that the routes use."""

from starlette.convertors import Convertor, register_url_convertor


class _IdConvertor(Convertor[int]):
    """Matches an id that the database can hold; for any other number there is no page."""

    regex = "[1-9][0-9]{0,17}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _IdConvertor())
