"""The cryptography: sigstore-python's, which is imported here, when there is something to verify.

sigstore checks the certificate's chain and time, its entry in the transparency log, and the
signature. What the signature is of, and whether its publisher is trusted, is not its business.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe
from stigmem_plugins.settings import TRUSTED_ROOT
from stigmem_plugins.trust.root import PINNED_ON, TrustedRootFile
from stigmem_plugins.trust.signer import Signer
from stigmem_plugins.trust.statement import PluginStatement
from stigmem_plugins.trust.unverified import Unverified

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

LARGEST_BUNDLE: Final = 32 * 2**20
"""In bytes; a wheel of a hundred thousand files has less."""

_REPOSITORY_OID: Final = "1.3.6.1.4.1.57264.1.12"
_ISSUER_OID: Final = "1.3.6.1.4.1.57264.1.8"
_WORKFLOW_OID: Final = "1.3.6.1.4.1.57264.1.18"


@frozen
class SignedStatement:
    """A verified statement, and who signed it."""

    statement: PluginStatement
    signer: Signer


_ROOT_FIX: Final = (
    "install it anew from where its publisher offers it; or, if the root is old or not that of "
    f"your Sigstore instance, name another in {TRUSTED_ROOT}"
)


def _clock_fix() -> str | None:
    """What to do where the clock is the cause: the keys of a root are not valid yet to it."""
    today = datetime.now(UTC).date()
    return f"set the node's clock, which says {today}" if today < PINNED_ON else None


class _ReadSigner:
    """A sigstore policy that admits a certificate of one identity, and reads it."""

    signer: Signer

    def verify(self, cert: Certificate) -> None:
        """Read the identity and its issuer; the certificate's chain was verified before."""
        from cryptography.x509 import SubjectAlternativeName  # noqa: PLC0415  # slow to import

        names = cert.extensions.get_extension_for_class(SubjectAlternativeName).value
        (name,) = names  # Fulcio gives one; of several, none could be called the identity
        issuer = _extension(cert, _ISSUER_OID)
        if not isinstance(name.value, str) or not name.value or not issuer:
            message = "the certificate does not say who signed"
            raise ValueError(message)
        repository, workflow = _extension(cert, _REPOSITORY_OID), _extension(cert, _WORKFLOW_OID)
        self.signer = Signer(name.value, issuer, repository, workflow)


def claimed_signer(bundle: bytes) -> Signer | None:
    """Who a bundle says has signed it: nothing is verified, anybody could have written it.

    Args:
        bundle: The bundle as JSON.

    Returns:
        None if it says so in no readable way.
    """
    from sigstore.models import Bundle  # noqa: PLC0415  # slow to import

    reader = _ReadSigner()
    try:
        reader.verify(Bundle.from_json(bundle).signing_certificate)
    except FAILURES:
        return None
    return reader.signer


def _extension(cert: Certificate, oid: str) -> str | None:
    """The text of one of Fulcio's extensions, a DER string; None if it is not there."""
    from cryptography.hazmat import asn1  # noqa: PLC0415  # slow to import
    from cryptography.x509 import ExtensionNotFound, ObjectIdentifier  # noqa: PLC0415  # the same

    try:
        extension = cert.extensions.get_extension_for_oid(ObjectIdentifier(oid))
    except ExtensionNotFound:
        return None
    return asn1.decode_der(str, extension.value.public_bytes())


class BundleVerifier:
    """Verifies bundles against one trusted root, without a network.

    Args:
        origin: What the root is called.
        read: Reads it; called at the first bundle, when sigstore is imported.
    """

    def __init__(self, origin: str, read: Callable[[], TrustedRoot]) -> None:
        self.origin = origin
        self._read = read

    @classmethod
    def of(cls, root: TrustedRootFile) -> Self:
        """A verifier against the root of a file."""
        return cls(root.origin, root.read)

    def verify(self, bundle: bytes) -> SignedStatement:
        """Verify a bundle, and read the statement that it holds.

        Args:
            bundle: The bundle as JSON.

        Raises:
            Unverified: It is no bundle, the signature does not verify, or it is not of a
                statement about plugins.
            StigmemPluginError: The trusted root is malformed, or has no keys.
        """
        payload_type, payload, signer = self.open(bundle)
        return SignedStatement(PluginStatement.from_payload(payload_type, payload), signer)

    def open(self, bundle: bytes) -> tuple[str, bytes, Signer]:
        """Verify a bundle of whatever it is about: payload type, payload and signer.

        Raises:
            Unverified: It is no bundle of a statement, or the signature does not verify.
            StigmemPluginError: The trusted root is malformed, or has no keys.
        """
        if len(bundle) > LARGEST_BUNDLE:
            message = f"its bundle has {len(bundle)} bytes, more than {LARGEST_BUNDLE}"
            raise Unverified(message)
        verifier = self._verifier
        from sigstore.models import Bundle  # noqa: PLC0415  # slow to import

        reader = _ReadSigner()
        try:
            payload_type, payload = verifier.verify_dsse(Bundle.from_json(bundle), reader)
            signer = reader.signer
        except FAILURES as error:
            # Not only sigstore's own errors: malformed bundles make its readers raise others.
            text = describe(error)
            message = f"its signature does not verify against the root {self.origin}: {text}"
            raise Unverified(message, _clock_fix() or _ROOT_FIX) from None
        return payload_type, payload, signer

    @cached_property
    def _verifier(self) -> Verifier:
        from sigstore.verify import Verifier  # noqa: PLC0415  # slow to import

        root = self._read()
        try:
            return Verifier(trusted_root=root)
        except FAILURES as error:
            message = f"the trusted root {self.origin} has no keys to use now: {describe(error)}"
            fix = _clock_fix() or "get it anew with `stigmem-plugins trust refresh`"
            raise StigmemPluginError(message, fix=fix) from None
