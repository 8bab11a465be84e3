"""The recorder made to fail in one hook after the other, while a pair of nodes goes on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tests.node.drive import Drive, fact, federation, keys
from tests.node.running import OWN, Node
from tests.node.wire import Answer, Signer

DEADLINE_SECONDS = 1.5
"""The recorder's, which sleeps for a second longer; a busy machine takes its time too."""
GOING_SECONDS = 2.0
"""How long a node that is going down may take for it."""
RAISE, RUBBISH, ALIEN, EXIT, SLEEP = "raise", "rubbish", "alien", "exit", "sleep"
SCOPES = ["company", "public"]
PLUGIN = "stigmem-recorder"


@dataclass
class Outcome:
    """What came of one fault in one hook.

    Args:
        hook: Where.
        fault: Which.
        status: What the request that fired it was answered.
        stored: Whether what it would have stored is there afterwards; None if it stores nothing.
        others: What other requests were answered meanwhile.
        audited: The audit events about it, as type and plugin.
        again: What the same request was answered once the fault was gone.
        ended: Whether the fault ended the node, which was then started again.
    """

    hook: str
    fault: str
    status: int
    stored: bool | None
    others: list[int]
    audited: list[tuple[str, str]]
    again: int
    ended: bool = False


class Trials:
    """A pair of federated nodes to try faults on.

    Args:
        a: The node that is asserted to, asked, and pulled from.
        b: The node that is pushed to.
    """

    def __init__(self, a: Node, b: Node) -> None:
        self.a, self.b = a, b
        self.acknowledged: list[str] = []
        self._asserted = ""
        drive = Drive()
        for node in (a, b):
            keys(drive, node)
        federation(drive, a, b)
        sent = self._pull().body["facts"]
        self._envelope = {"v": 2, "facts": [e for e in sent if e["fact"]["source"] == a.node_id]}
        self._triggers: dict[str, tuple[Node, Callable[[], Answer]]] = {
            "identity_resolve": (a, self._query),
            "tenant_resolve": (a, self._query),
            "capability_check": (a, self._query),
            **dict.fromkeys(
                (
                    "pre_assert_authorize",
                    "pre_assert_validate",
                    "pre_assert_transform",
                    "post_assert_persist",
                    "post_assert_propagate",
                    "post_assert_audit",
                    "audit_emit",
                ),
                (a, self._assert),
            ),
            **dict.fromkeys(
                (
                    "pre_recall_authorize",
                    "pre_recall_rewrite",
                    "recall_filter",
                    "recall_rank",
                    "post_recall_audit",
                ),
                (a, self._query),
            ),
            "federation_peer_authenticate": (a, self._register),
            "federation_outbound_filter": (a, self._pull),
            "federation_outbound_sign": (a, self._pull),
            "federation_inbound_validate": (b, self._push),
            "federation_inbound_filter": (b, self._push),
        }

    @property
    def hooks(self) -> list[str]:
        """The hooks that requests fire."""
        return list(self._triggers)

    def trial(self, hook: str, fault: str) -> Outcome:
        """Let the recorder have a fault in a hook, and see what comes of it."""
        node, trigger = self._triggers[hook]
        heard = len(node.recorded())
        node.misbehave(**{hook: fault})
        answer, stored = self._tried(node, trigger)
        others = [self._answered(bystander).status for bystander in self._bystanders(hook)]
        node.misbehave()
        ended = fault == EXIT and self._revived(node)
        if fault == SLEEP:
            time.sleep(1.25)  # until the workers that were given up are back
        audited = [
            (line["event"], line["metadata"]["plugin_name"])
            for line in node.recorded()[heard:]
            if line.get("event", "").startswith("plugin.") and line["metadata"].get("hook") == hook
        ]
        again, _ = self._tried(node, trigger)
        return Outcome(hook, fault, answer.status, stored, others, audited, again.status, ended)

    def lost(self) -> list[str]:
        """The facts whose assertion was acknowledged and that are not there."""
        return [
            known
            for known in self.acknowledged
            if self.a.ask("GET", f"/v1/facts/{known}", key=None).status != 200
        ]

    def _tried(self, node: Node, trigger: Callable[[], Answer]) -> tuple[Answer, bool | None]:
        answer = self._answered(trigger)
        if trigger != self._assert or node.layer == OWN:
            return answer, None
        if answer.status == 201:
            self.acknowledged.append(answer.body["id"])
        found = self.a.ask("GET", f"/v1/facts?entity={self._asserted}", key=None)
        return answer, bool(found.body["facts"])

    @staticmethod
    def _answered(request: Callable[[], Answer]) -> Answer:
        """What a request is answered, 0 if that is nothing."""
        try:
            return request()
        except OSError:
            return Answer(0, None)

    @staticmethod
    def _revived(node: Node) -> bool:
        """Start a node again that ended itself; returns whether it had."""
        if node.layer == OWN:
            time.sleep(GOING_SECONDS)
        if gone := not node.answers():
            node.kill()
            node.start()
        return gone

    def _bystanders(self, hook: str) -> list[Callable[[], Answer]]:
        """Requests that have nothing to do with a hook."""
        bystanders: list[Callable[[], Answer]] = [
            lambda: self.a.ask("GET", "/healthz", key=None),
            lambda: self.b.ask("GET", "/v1/doctor", key=None),
        ]
        if self._triggers[hook][1] != self._query:
            bystanders.append(lambda: self.a.ask("GET", "/v1/facts?limit=1", key=None))
        if self._triggers[hook][1] == self._query and "recall" in hook:
            bystanders.append(self._assert)
        return bystanders

    def _assert(self) -> Answer:
        self._asserted = f"stigmem://drive.test/thing/{uuid.uuid4().hex}"
        return self.a.ask("POST", "/v1/facts", fact(self._asserted), key=None)

    def _query(self) -> Answer:
        return self.a.ask("GET", "/v1/facts?scope=company&limit=2", key=None)

    def _register(self) -> Answer:
        name = uuid.uuid4().hex
        node_id = f"stigmem:node:{name}"
        declared = Signer(name).declaration("http://127.0.0.1:9", node_id, SCOPES)
        return self.a.ask("POST", "/v1/federation/peers", declared, key=None)

    def _pull(self) -> Answer:
        token = self.b.signer.peer_token(self.b.node_id, self.a.node_id, SCOPES)
        return self.a.ask("GET", "/v1/federation/facts", key=token)

    def _push(self) -> Answer:
        token = self.a.signer.peer_token(self.a.node_id, self.b.node_id, SCOPES)
        return self.b.ask("POST", "/v1/federation/facts/push", self._envelope, key=token)
