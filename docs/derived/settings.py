"""The reference of settings, from the class that reads them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from derived.docstrings import constants, documented
from derived.markdown import code, joined, listed, opening, table
from stigmem_plugins import PluginSettings, settings
from stigmem_plugins.settings import FALSE_WORDS, SETTING_NAMES, TRUE_WORDS

VARIABLE_PREFIX = "STIGMEM_"

TEXT = """\
The plugin layer reads these from the environment of the node each time that it needs them. A host
can pass an object with the attributes of the second table instead.

## Variables
"""

YES_AND_NO = """\
*Yes* is {yes}, *no* is
{no}, in any case; anything else stops the start. The entries of a list stand between
commas, and blanks around them do not count; each is a signing identity, as
[trust](../trust.md#trust-a-publisher) explains. A path that is set to nothing counts as unset.
"""

ATTRIBUTES = """\
## The settings object of a host

`register_discovered_plugins(settings=…)` takes any object with these attributes, and reads them
off it at every start. Where it lacks one that is optional, the environment's is taken.
"""

CONFIGURATION = """\
## A plugin's own configuration

A plugin with a `config_schema` gets an instance of it as `ctx.config`. Each field is read from

1. `STIGMEM_PLUGIN_<NAME>_<KEY>` in the environment: the plugin's name and the field's, in upper
   case, dashes as underscores; else
2. the key of the table `[tool.stigmem.plugins.<name>]` in the `pyproject.toml` of the node's
   working directory; else
3. the default of the field, without which the plugin is refused.

The variables of the first table are never a plugin's. In the environment, values are text:

| Type of the field | Written as |
|---|---|
| `str`, `bytes`, `Path` | it is |
| `bool` | yes or no, as above |
| `int`, `float` | digits |
| an enumeration, `Literal` | one of the values |
| `list`, `tuple`, `set`, `frozenset` | a comma list, or a JSON array |
| `dict` | a JSON object |
| optional and union types | whatever the first type that fits takes |

```pycon
>>> from stigmem_plugins.conversion import convert
>>> convert("agent:a, agent:b", tuple[str, ...]), convert('["a,b"]', list[str])
(('agent:a', 'agent:b'), ['a,b'])
>>> convert("on", bool), convert("3", int), convert('{"a": 1}', dict[str, int])
(True, 3, {'a': 1})
>>> convert("many", int | None)
Traceback (most recent call last):
ValueError: must be of type int | None
```

## Other variables

| Variable | Read by | Meaning |
|---|---|---|
| `SIGSTORE_IDENTITY_TOKEN` | `stigmem-plugins sign` | the token that says who signs |
| `NO_COLOR` | all commands | set to anything: no colours |

pytest's ini option `stigmem_plugins_bridge` serves `stigmem_node.plugins` from this package in
tests, also where a node is installed.
"""


def page() -> str:
    """The whole page."""
    variables = ["Variable", "Meaning", "Takes", "Default"]
    attributes = ["Attribute", "Type", "Required"]
    yes, no = (listed(sorted(words)) for words in (TRUE_WORDS, FALSE_WORDS))
    return joined(
        opening("Settings", "`stigmem_plugins/settings.py`"),
        TEXT,
        table(variables, rows()),
        YES_AND_NO.format(yes=yes, no=no),
        ATTRIBUTES,
        table(attributes, attribute_rows()),
        CONFIGURATION,
    )


def rows() -> Iterator[list[str]]:
    """One for each variable, as the class reads it, or as the constant with its name says.

    Raises:
        LookupError: A variable is documented nowhere.
    """
    fields = {variable(field.name): field for field in attrs.fields(PluginSettings)}
    meanings = documented(PluginSettings)
    constants_say = constants(settings)
    names = [name for name in fields if name in SETTING_NAMES]
    for name in [*names, *sorted(SETTING_NAMES - fields.keys())]:
        takes, default, meaning = "text", "unset", constants_say.get(name)
        if name in fields:
            takes, default = FORMS[fields[name].type](fields[name].default)
            meaning = meanings.get(fields[name].name)
        if not meaning:
            message = f"{name} has no docstring in stigmem_plugins/settings.py"
            raise LookupError(message)
        yield [code(name), " ".join(meaning.split()), takes, default]


def attribute_rows() -> Iterator[list[str]]:
    """One for each attribute of a host's settings."""
    for field in attrs.fields(PluginSettings):
        if variable(field.name) in SETTING_NAMES:
            required = "" if field.type == "str | None" else "yes"
            yield [code(field.name), code(field.type), required]


def variable(attribute: str) -> str:
    """The variable that an attribute is read from."""
    return f"{VARIABLE_PREFIX}{attribute}".upper()


FORMS = {
    "bool": lambda default: ("yes or no", code(str(default).lower())),
    "tuple[str, ...]": lambda _default: ("a comma list", "empty"),
    "str | None": lambda _default: ("a path", "unset"),
}
"""What a variable takes and its default is, by the type of the field."""
