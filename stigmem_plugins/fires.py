"""The ways to fire a hook, one for each semantic, for hosts that wait and for hosts that await."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from stigmem_hookspecs import HookSemantic, VotingDecision
from stigmem_plugins.callers import HookCallers
from stigmem_plugins.dispatch import Dispatcher


class Fires:
    """What a registry fires hooks with.

    A payload's keywords may have any name: the methods' own arguments are positional-only.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.hook = HookCallers(dispatcher)
        """Fires each hook by a method of its name, typed as its specification is."""
        self._vote = dispatcher.fires[HookSemantic.VOTING]
        self._chain = dispatcher.fires[HookSemantic.FILTER_CHAIN]
        self._merge = dispatcher.fires[HookSemantic.SCORE_DELTA]
        self._notify = dispatcher.fires[HookSemantic.FIRE_AND_FORGET]
        self._avote = dispatcher.afires[HookSemantic.VOTING]
        self._achain = dispatcher.afires[HookSemantic.FILTER_CHAIN]
        self._amerge = dispatcher.afires[HookSemantic.SCORE_DELTA]
        self._anotify = dispatcher.afires[HookSemantic.FIRE_AND_FORGET]

    def fire_voting(self, hook: str, /, **payload: Any) -> VotingDecision:
        """Ask the handlers in turn; the first Deny wins, and none at all is Allow."""
        return self._vote[hook](payload)  # type: ignore[no-any-return]  # what its fold returns

    def fire_filter_chain(self, hook: str, value: Any, /, **payload: Any) -> Any:
        """Pass the value through the handlers; each gets what the one before it returned."""
        return self._chain[hook](value, payload)

    def fire_score_delta(
        self, hook: str, scored_results: Any, /, **payload: Any
    ) -> dict[str, float]:
        """Sum the score changes that the handlers return, by id."""
        return self._merge[hook](scored_results, payload)  # type: ignore[no-any-return]  # as above

    def fire_fire_and_forget(self, hook: str, /, **payload: Any) -> None:
        """Tell every handler; failures are logged, on a strict hook raised after all were told."""
        self._notify[hook](payload)

    def afire_voting(self, hook: str, /, **payload: Any) -> Coroutine[Any, Any, VotingDecision]:
        """`fire_voting` for an event loop: await it.

        Coroutine handlers are awaited, one after the other.
        """
        return self._avote[hook](payload)  # type: ignore[no-any-return]  # a coroutine function

    def afire_filter_chain(
        self, hook: str, value: Any, /, **payload: Any
    ) -> Coroutine[Any, Any, Any]:
        """`fire_filter_chain` for an event loop: await it."""
        return self._achain[hook](value, payload)  # type: ignore[no-any-return]  # the same

    def afire_score_delta(
        self, hook: str, scored_results: Any, /, **payload: Any
    ) -> Coroutine[Any, Any, dict[str, float]]:
        """`fire_score_delta` for an event loop: await it."""
        return self._amerge[hook](scored_results, payload)  # type: ignore[no-any-return]  # the same

    def afire_fire_and_forget(self, hook: str, /, **payload: Any) -> Coroutine[Any, Any, None]:
        """`fire_fire_and_forget` for an event loop: await it."""
        return self._anotify[hook](payload)  # type: ignore[no-any-return]  # the same
