"""How the server's messages print a value: as JSON, with the keys in order."""

import msgspec

from agents.sandbox.schema import Json


def printed(value: Json) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
