"""The client of a Sigstore instance: whose identity signs, and where; needs the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from attrs import frozen

from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe
from stigmem_plugins.reading import read_named
from stigmem_plugins.trust.bundle import BundleVerifier, SignedStatement
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.wheel import verify_wheel

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer


@frozen
class SigstoreClient:
    """An instance, and who is to sign with it."""

    config: ClientTrustConfig
    token: IdentityToken

    @classmethod
    def connect(cls, identity_token: str | None, trust_config: Path | None) -> Self:
        """Find out who signs, and where.

        Args:
            identity_token: An OIDC token; default: the credential that the CI job offers.
            trust_config: The configuration of a private instance; default: the public one, whose
                configuration is fetched.

        Raises:
            StigmemPluginError: There is no identity, or no configuration.
        """
        from sigstore.models import ClientTrustConfig  # noqa: PLC0415  # slow to import
        from sigstore.oidc import IdentityToken, detect_credential  # noqa: PLC0415  # the same

        try:
            raw = identity_token or detect_credential()
            token = IdentityToken(raw) if raw else None
        except FAILURES as error:
            message = f"the identity token cannot be used: {describe(error)}"
            fix = "get a fresh one for the audience sigstore; on GitHub give `id-token: write`"
            raise StigmemPluginError(message, fix=fix) from error
        if token is None:
            message = "there is no identity to sign with"
            fix = "run it in a CI job that may request an OIDC token, or pass --identity-token"
            raise StigmemPluginError(message, fix=fix)
        try:
            if trust_config is None:
                return cls(ClientTrustConfig.production(), token)
            return cls(ClientTrustConfig.from_json(read_named(trust_config).decode()), token)
        except FAILURES as error:
            where = trust_config or "of the public instance"
            message = f"the Sigstore configuration {where} cannot be used: {describe(error)}"
            fix = "check the network" if trust_config is None else "correct the file"
            raise StigmemPluginError(message, fix=fix) from error

    @contextmanager
    def signer(self) -> Iterator[Signer]:
        """What signs, with one certificate for all that is signed in the block.

        Raises:
            StigmemPluginError: The instance gives no certificate.
        """
        from sigstore.sign import SigningContext  # noqa: PLC0415  # slow to import

        with ExitStack() as stack:
            try:
                context = SigningContext.from_trust_config(self.config)
                signer = stack.enter_context(context.signer(self.token))
            except FAILURES as error:
                message = f"the Sigstore instance gives no certificate: {describe(error)}"
                fix = "check the network and the identity token, and try again"
                raise StigmemPluginError(message, fix=fix) from error
            yield signer

    def verified(self, wheel: Path) -> SignedStatement:
        """Verify a wheel that was just signed, against the instance's own root.

        Raises:
            StigmemPluginError: It does not verify.
        """
        try:
            return verify_wheel(
                wheel, BundleVerifier("that it names", lambda: self.config.trusted_root)
            )
        except Unverified as finding:
            message = f"{wheel} was signed, and does not verify: {finding.problem}"
            raise StigmemPluginError(message, fix=finding.fix) from None
