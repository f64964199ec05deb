"""What every request passes. Importing it registers the `id` path convertor the routes use."""

from starlette.convertors import Convertor, register_url_convertor


class _IdConvertor(Convertor[int]):
    """An id as the database can hold it; anything else is no such page."""

    regex = "[1-9][0-9]{0,17}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _IdConvertor())
