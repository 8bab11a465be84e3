"""Checks of what a plugin declares: its manifest's fields, its version and its hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.authoring.manifests import ManifestCall, Reading
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.authoring.values import Item, NotKnownError
from stigmem_plugins.errors import suggest
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.manifest import FIELDS, field_faults
from stigmem_plugins.trust.layout import same_version

NO_HANDLERS: Final = ("capabilities", "hooks")
"""The fields that have checks of their own."""
_OBJECTS: Final = ("routes", "health_check", "config_schema")
"""The fields that are no names, texts or flags, and hence rarely known."""


def each_call(reading: Reading) -> Iterator[tuple[str, ManifestCall]]:
    """The manifests that are found, and what findings about them call their plugin."""
    for plugin in reading.plugins:
        for call in plugin.calls:
            yield reading.subject(plugin), call


def check_manifest(reading: Reading) -> Iterator[Finding]:
    """Every manifest's fields are those of a manifest, and well formed."""
    for plugin in reading.plugins:
        subject = reading.subject(plugin)
        if not plugin.complete and plugin.signed is None:
            message = "which manifest it returns, only running the code can tell"
            yield found(
                "manifest.unknown", Level.SKIP, message, subject=subject, place=plugin.place
            )
        for call in plugin.calls:
            yield from _fields(reading, subject, call)
        if subject in {str(item.value) for c in plugin.calls for item in _needed(reading, c)}:
            message, place = "depends_on names the plugin itself", plugin.calls[0].place
            yield found("manifest.value", Level.FAIL, message, subject=subject, place=place)
    yield from _twins(reading)


def _fields(reading: Reading, subject: str, call: ManifestCall) -> Iterator[Finding]:
    say = partial(found, level=Level.FAIL, subject=subject)
    for name in call.fields:
        if name not in FIELDS:
            message = f"PluginManifest has no field {name!r}{suggest(name, FIELDS)}"
            hint = "remove it, or correct its name"
            yield say("manifest.field", message=message, place=call.field_place(name), hint=hint)
    if len(call.call.args) > len(FIELDS):
        message = f"PluginManifest takes {len(FIELDS)} arguments, not {len(call.call.args)}"
        yield say("manifest.field", message=message, place=call.place, hint="name the arguments")
    for name in ("name", "version"):
        if name not in call.fields and not call.open:
            message = f"its manifest has no {name}"
            yield say(
                "manifest.missing", message=message, place=call.place, hint=f"give it a {name}"
            )
    for name in call.fields:
        if name in FIELDS and name not in NO_HANDLERS:
            yield from _field(reading, subject, call, name)


def _field(reading: Reading, subject: str, call: ManifestCall, name: str) -> Iterator[Finding]:
    place = call.field_place(name)
    try:
        value = reading.literal(call, name)
    except NotKnownError:
        if name not in _OBJECTS:
            message = f"its {name} is only known when it runs"
            yield found("manifest.unknown", Level.SKIP, message, subject=subject, place=place)
        return
    for fault in field_faults(name, value):
        yield found("manifest.value", Level.FAIL, fault, subject=subject, place=place)


def _needed(reading: Reading, call: ManifestCall) -> list[Item]:
    """The plugins that a manifest depends on, as far as they are known."""
    try:
        return reading.elements(call, "depends_on")
    except NotKnownError:
        return []


def _twins(reading: Reading) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for plugin in reading.plugins:
        name = reading.text(plugin, "name")
        if name is not None and name in first:
            message = f"entry points {first[name]} and {plugin.entry_point} are one plugin by name"
            hint = "give each plugin a name of its own"
            yield found(
                "manifest.twin", Level.FAIL, message, subject=name, place=plugin.place, hint=hint
            )
        first.setdefault(name or "", plugin.entry_point)


def check_version(reading: Reading) -> Iterator[Finding]:
    """The distribution's version is that of its plugins."""
    built = reading.version()
    for plugin in reading.plugins:
        subject, own = reading.subject(plugin), reading.text(plugin, "version")
        place = plugin.calls[0].field_place("version") if plugin.calls else plugin.place
        say = partial(found, subject=subject, place=place)
        if built is None or own is None:
            whose = "the distribution's" if built is None else "the manifest's"
            when = "is built" if built is None else "runs"
            message = f"{whose} version is only known when it {when}"
            yield say("version.unknown", Level.SKIP, message)
        elif not same_version(built, own):
            message = f"the distribution is {built}, and its manifest says {own}"
            hint = "keep them equal: operators see both"
            yield say("version.differs", Level.WARN, message, hint=hint)


def check_hooks(reading: Reading) -> Iterator[Finding]:
    """Every hook that a manifest names is one."""
    for plugin in reading.plugins:
        signed = plugin.signed.hooks if plugin.signed and not plugin.calls else ()
        say = partial(found, subject=reading.subject(plugin), place=plugin.place)
        yield from _unknown_hooks(say, signed)
    for subject, call in each_call(reading):
        say = partial(found, subject=subject)
        try:
            hooks = reading.hooks(call)
        except NotKnownError:
            message = "which hooks it has, only running the code can tell"
            place = call.field_place("hooks")
            yield say("hooks.dynamic", Level.SKIP, message, place=place)
            continue
        for item in hooks:
            yield from _unknown_hooks(partial(say, place=item.place), [item.value])


def _unknown_hooks(say: Callable[..., Finding], hooks: Iterable[object]) -> Iterator[Finding]:
    for hook in hooks:
        if hook == "health_check":
            hint = "give the manifest health_check=… instead"
            message = "health_check is a field of the manifest, not a hook"
            yield say("hooks.unknown", Level.FAIL, message, hint=hint)
        elif hook not in HOOK_SPECS:
            message = f"there is no hook {hook!r}{suggest(str(hook), HOOK_SPECS)}"
            hint = "use one of the 22 hooks"
            yield say("hooks.unknown", Level.FAIL, message, hint=hint)


CHECKS: Final = (
    Check(
        "manifest",
        "the fields of the manifest are well formed",
        {
            "manifest.unknown": "a manifest or a field of it is only known when it runs",
            "manifest.field": "a manifest is given a field that it does not have",
            "manifest.missing": "a manifest has no name or no version",
            "manifest.value": "the value of a manifest's field is refused",
            "manifest.twin": "two plugins of one distribution have one name",
        },
        check_manifest,
    ),
    Check(
        "version",
        "the distribution's version is the manifest's",
        {
            "version.unknown": "a version is only known when it is built or runs",
            "version.differs": "distribution and manifest have different versions",
        },
        check_version,
    ),
    Check(
        "hooks",
        "every hook that the manifest names is one of the 22",
        {
            "hooks.unknown": "there is no such hook",
            "hooks.dynamic": "which hooks a manifest has is only known when it runs",
        },
        check_hooks,
    ),
)
