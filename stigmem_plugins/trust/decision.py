"""What was decided about a plugin's signature, as registrations and audit events have it."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from stigmem_hookspecs.values import FrozenDict

UNSIGNED: Final = "unsigned"
NOT_VERIFIED: Final = "not verified"
"""Stands for the signer, in what people read, where a signature does not verify."""
TRUSTED_PUBLISHER: Final = "trusted_publisher"
"""The list, the policy file or the verifier of the host accepts its publisher."""
OPERATOR_OVERRIDE: Final = "operator_override"
"""An override accepts its publisher, and nothing else does."""
DEVELOPMENT_UNSIGNED_OVERRIDE: Final = "development_unsigned_override"
"""Signing is not required, and nobody trusted vouches for it."""
UNDECIDED: Final = FrozenDict(trust_decision=None, trust_reason=None)
"""What audit events say of a signature that nobody was asked to judge."""


@frozen
class PluginSigningInfo:
    """What was decided about a plugin's signature.

    Args:
        signing_identity: The verified certificate identity, or `unsigned`.
        trust_decision: `trusted_publisher`, `operator_override` or
            `development_unsigned_override`.
        trust_reason: Why, in words for the audit trail.
        issuer: Who vouched for the identity, as a URL; None if it is not known.

    Example:
        >>> PluginSigningInfo("unsigned", "development_unsigned_override").audit_metadata()
        {'trust_decision': 'development_unsigned_override', 'trust_reason': None}
    """

    signing_identity: str
    trust_decision: str
    trust_reason: str | None = None
    issuer: str | None = None

    def audit_metadata(self) -> dict[str, Any]:
        """The decision and its reason, as audit events carry them under `signing`.

        With the `issuer` beside them, where it is known.
        """
        decided = {"trust_decision": self.trust_decision, "trust_reason": self.trust_reason}
        return {**decided, "issuer": self.issuer} if self.issuer else decided
