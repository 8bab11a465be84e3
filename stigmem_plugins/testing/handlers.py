"""The checks that each handler of a conforming plugin passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve, frozen

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.capabilities import CoreApis, PluginContext
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.registration import Registration
from stigmem_plugins.shim import Handler
from stigmem_plugins.testing.calling import Attempt, Problem, attempt, required_parameters
from stigmem_plugins.testing.fakes import fake_handles
from stigmem_plugins.testing.payloads import VALUE, typical_payloads
from stigmem_plugins.workers import Bulkheads

PAYLOAD: Final = "payload"
FEWER: Final = "fewer-keywords"
SURPLUS: Final = "surplus-keywords"
UNCHANGED: Final = "unchanged"
NO_HANDLES: Final = "no-handles"
FAKES: Final = "any-handles"

_SHAPE: Final = (
    "look at what you have before you use it, or say what your node offers: "
    "conformance(…, core_apis=CoreApis(…))"
)
_SURPLUS: Final = {"stigmem_surplus_keyword": "of a later node"}


def granted(registration: Registration, core_apis: CoreApis | None) -> PluginContext:
    """A plugin's context where the node offers these handles; None offers fakes of all."""
    manifest = registration.manifest
    return PluginContext(
        plugin_name=manifest.name,
        plugin_version=manifest.version,
        capabilities=manifest.capabilities,
        core_apis=core_apis or fake_handles(manifest.capabilities),
        config=registration.configuration.value,
    )


@frozen
class HandlerCheck:
    """Calls one handler with typical payloads, fewer keywords, further ones and no handles.

    Args:
        registration: The plugin, admitted to a node that offers no handles.
        hook: The hook.
        given: What an author's node passes otherwise than a typical one.
        core_apis: The handles that such a node offers; None lets it be fakes.
        bulkheads: Where handlers run that have a deadline.
    """

    registration: Registration
    hook: str
    given: Mapping[str, Any]
    core_apis: CoreApis | None
    bulkheads: Bulkheads

    def findings(self) -> Iterator[Finding]:
        """Everything that there is to say, a finding for each check."""
        bare = self.registration.handlers[self.hook]
        offered = evolve(bare, context=granted(self.registration, self.core_apis))
        handler, attempts = offered, self._attempts(offered)
        without = self._attempts(bare) if self._capable else attempts
        problem = _first(attempts)
        if problem and self.core_apis is None and not _first(without):
            # Only the shape of a fake is wrong, and the plugin may know better.
            yield self._found(
                FAKES, Level.WARN, f"{problem.text}, with a MagicMock as handle", _SHAPE
            )
            handler, attempts, problem = bare, without, None
        if problem:
            hint = (
                "correct the handler; if your node passes something else, say so: "
                f"conformance(…, payloads={{{self.hook!r}: {{…}}}})"
            )
            yield self._found(PAYLOAD, Level.FAIL, problem.text, problem.fix or hint)
            for check in (FEWER, SURPLUS, UNCHANGED, NO_HANDLES):
                yield self._found(check, Level.SKIP, f"{PAYLOAD} comes first")
            return
        yield self._found(PAYLOAD, Level.OK, "takes what a node passes, and returns its due")
        yield self._fewer(handler)
        yield self._surplus(handler)
        yield self._unchanged(attempts)
        yield self._no_handles(_first(without))

    @property
    def _capable(self) -> bool:
        return bool(self.registration.manifest.capabilities)

    def _payloads(self) -> list[dict[str, Any]]:
        return [{**payload, **self.given} for payload in typical_payloads(self.hook)]

    def _attempts(self, handler: Handler, **surplus: Any) -> list[Attempt]:
        return [self._attempt(handler, {**payload, **surplus}) for payload in self._payloads()]

    def _attempt(self, handler: Handler, payload: Mapping[str, Any]) -> Attempt:
        return attempt(handler, HOOK_SPECS[self.hook], payload, self.bulkheads)

    def _found(self, check: str, level: Level, message: str, hint: str | None = None) -> Finding:
        name = self.registration.handlers[self.hook].handler_name
        return Finding(check, level, message, subject=f"{name} ({self.hook})", hint=hint)

    def _fewer(self, handler: Handler) -> Finding:
        kept = required_parameters(handler) | {VALUE}
        for left_out, payload in self._fewer_keywords(kept):
            if problem := self._attempt(handler, payload).problem:
                names = ", ".join(left_out)
                message = f"{problem.text} when a host leaves out {names}"
                hint = (
                    f"do without {names}; or name what you need without a default, and the "
                    "handler is never called without it"
                )
                return self._found(FEWER, Level.FAIL, message, hint)
        return self._found(FEWER, Level.OK, "does without the keywords that it does not require")

    def _fewer_keywords(self, kept: Iterable[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
        for number, kind in enumerate(self._payloads()):
            optional = [name for name in kind if name not in kept]
            for left_out in [*([name] for name in optional), optional]:
                payload = self._payloads()[number]
                yield left_out, {n: each for n, each in payload.items() if n not in left_out}

    def _surplus(self, handler: Handler) -> Finding:
        if problem := _first(self._attempts(handler, **_SURPLUS)):
            message = f"{problem.text} when a host passes another keyword"
            hint = "take it with **_ and do not pass it on"
            return self._found(SURPLUS, Level.FAIL, message, hint)
        return self._found(SURPLUS, Level.OK, "minds no keyword that it does not know")

    def _unchanged(self, attempts: list[Attempt]) -> Finding:
        if changed := sorted({name for each in attempts for name in each.changed}):
            message = f"changes the host's {', '.join(changed)}"
            hint = "change a copy: {**value, …}, value.model_copy(update={…}), attrs.evolve(…)"
            return self._found(UNCHANGED, Level.FAIL, message, hint)
        return self._found(UNCHANGED, Level.OK, "leaves what the host passes as it is")

    def _no_handles(self, problem: Problem | None) -> Finding:
        if not self._capable:
            return self._found(NO_HANDLES, Level.SKIP, "the manifest declares no capabilities")
        if problem:
            message = f"{problem.text} where the node offers no handle, which is None then"
            hint = "look before you call: if callable(handle): handle(…)"
            return self._found(NO_HANDLES, Level.FAIL, message, hint)
        return self._found(NO_HANDLES, Level.OK, "does without handles that a node does not offer")


def _first(attempts: Iterable[Attempt]) -> Problem | None:
    return next((each.problem for each in attempts if each.problem), None)
