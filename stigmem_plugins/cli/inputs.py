"""JSON that a user gives to a command: a file, standard input, or written out."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from stigmem_plugins.cli.output import BadInput
from stigmem_plugins.errors import describe
from stigmem_plugins.reading import read_named

LARGEST: Final = 32 * 2**20
"""In bytes: what is given is read into memory."""
STDIN: Final = "-"


def read_json(given: str, option: str) -> Any:
    """Read a JSON value.

    Args:
        given: A file's path, `-` for standard input, or JSON itself if it begins with `{` or `[`.
        option: Where the user gave it, for errors.

    Raises:
        BadInput: It cannot be read, or is no JSON.

    Example:
        >>> read_json('{"identity": "agent:a"}', "--input")
        {'identity': 'agent:a'}
        >>> read_json("{", "--input")
        Traceback (most recent call last):
        stigmem_plugins.cli.output.BadInput: --input is no JSON: Expecting property name \
enclosed in double quotes: line 1 column 2 (char 1)
    """
    if given.startswith(("{", "[")):
        return _parsed(given.encode(errors="surrogateescape"), option)
    source = f"{option} {'standard input' if given == STDIN else given}"
    try:
        if given == STDIN:
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            data = read_named(given, most=LARGEST + 1, pipes=True)
    except (OSError, ValueError, AttributeError) as error:  # stdin is None where it was closed
        reason = error.strerror if isinstance(error, OSError) else describe(error)
        message = f"{source} cannot be read: {reason}"
        fix = "name a JSON file, - for standard input, or write JSON out"
        raise BadInput(message, fix) from None
    if len(data) > LARGEST:
        message = f"{source} has more than {LARGEST} bytes"
        raise BadInput(message, "give a smaller one")
    return _parsed(data, source)


def read_object(given: str, option: str) -> dict[str, Any]:
    """Read a JSON object, as `read_json` does.

    Raises:
        BadInput: The same; or it is something else than an object.
    """
    content = read_json(given, option)
    if not isinstance(content, dict):
        message = f"{option} is a JSON {_KINDS[type(content)]}, and must be an object"
        raise BadInput(message, 'write {"keyword": value, …}')
    return content


_KINDS: Final = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def _parsed(data: bytes, source: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"{source} is no JSON: {error if data.strip() else 'it is empty'}"
        raise BadInput(message, 'JSON looks like {"identity": "agent:a", "fact": {}}') from None
