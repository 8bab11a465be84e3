"""A Sigstore of one's own, for tests that sign and verify without a network."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from sigstore.dsse import Statement
from sigstore.models import Bundle, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer
from sigstore_models.trustroot import v1 as trustroot

from stigmem_plugins.testing.sigstore import clients, identities, server, trust
from stigmem_plugins.testing.sigstore.certificates import LocalFulcio
from stigmem_plugins.testing.sigstore.identities import GITHUB_ISSUER
from stigmem_plugins.testing.sigstore.server import ServedAuthority
from stigmem_plugins.testing.sigstore.service import Services
from stigmem_plugins.testing.sigstore.timestamping import LocalTimestampAuthority
from stigmem_plugins.testing.sigstore.transparency import LocalRekorV1, LocalRekorV2


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LocalAuthority:
    """A certificate authority, a transparency log and a timestamp authority with new keys.

    sigstore verifies what it signs, as it does what the public Sigstore signs, and signs with
    it; nobody else trusts it.

    Args:
        rekor: The API of the log. With `v1`, the log itself says when something was signed;
            with `v2`, the timestamp authority does.
        now: The clock of the certificates, the log and the timestamps. An earlier one makes
            old bundles; identity tokens always go by the real clock, as sigstore checks them
            against it.
        certificate_lifetime: How long a certificate is valid.
        log_delay: How much later than `now` the log and the timestamps are. One longer than
            `certificate_lifetime` makes bundles whose certificate had expired when they were
            logged.

    Example:
        >>> from sigstore.dsse import StatementBuilder, Subject
        >>> from sigstore.verify import Verifier, policy
        >>> identity = "https://github.com/acme/repo/.github/workflows/release.yml@refs/tags/v1"
        >>> statement = StatementBuilder(
        ...     [Subject(name="a.py", digest={"sha256": "ab" * 32})], "https://example.com/v1", {}
        ... ).build()
        >>> authority = LocalAuthority()
        >>> bundle = authority.sign_statement(statement, identity=identity)
        >>> verifier = Verifier(trusted_root=authority.trusted_root)
        >>> verifier.verify_dsse(bundle, policy.Identity(identity=identity))[0]
        'application/vnd.in-toto+json'
    """

    def __init__(
        self,
        *,
        rekor: Literal["v1", "v2"] = "v1",
        now: Callable[[], datetime] = _utc_now,
        certificate_lifetime: timedelta = timedelta(minutes=10),
        log_delay: timedelta = timedelta(0),
    ) -> None:
        def utc() -> datetime:
            return now().astimezone(UTC)

        def log_time() -> datetime:
            return utc() + log_delay

        self._now = utc
        self._certificate_lifetime = certificate_lifetime
        self._secret = secrets.token_bytes()
        self._services = Services(
            fulcio=LocalFulcio(self._secret, utc, certificate_lifetime),
            rekor=LocalRekorV1(log_time) if rekor == "v1" else LocalRekorV2(),
            timestamps=LocalTimestampAuthority(log_time),
        )

    @property
    def trusted_root(self) -> TrustedRoot:
        """What sigstore's `Verifier` takes to trust this authority and no other."""
        return TrustedRoot(trustroot.TrustedRoot.from_json(self.trusted_root_json()))

    def trusted_root_json(self) -> str:
        """Return this authority's `trusted_root.json`."""
        return json.dumps(trust.trusted_root(self._services), indent=2)

    def write_trusted_root(self, path: Path) -> Path:
        """Write `trusted_root.json` to `path`, and return `path`."""
        path.write_text(self.trusted_root_json(), encoding="utf-8")
        return path

    def identity_token(self, identity: str, issuer: str = GITHUB_ISSUER) -> str:
        """Return a token for which this authority certifies `identity`.

        Args:
            identity: What the certificate is to name: the URI of a workflow, another URI, or
                an e-mail address.
            issuer: Who vouches for it; GitHub Actions, unless given.

        Raises:
            ValueError: A certificate cannot name `identity`, or the issuer is GitHub Actions
                and `identity` is not one of its workflows.
        """
        return identities.encode_token(identities.claims(identity, issuer), self._secret)

    @contextmanager
    def signer(self, identity: str, issuer: str = GITHUB_ISSUER) -> Iterator[Signer]:
        """Give sigstore's `Signer` for `identity`, which signs in this process.

        sigstore does not sign with a certificate that has expired by the real clock. Where `now`
        makes such, this gives a subclass that does, and is otherwise the same.

        Args:
            identity: As in `identity_token`.
            issuer: As in `identity_token`.
        """
        token = IdentityToken(self.identity_token(identity, issuer))
        context = clients.signing_context(self._services, self.trusted_root)
        if self._now() + self._certificate_lifetime > _utc_now():
            with context.signer(token) as signer:
                yield signer
        else:
            yield clients.BackdatedSigner(token, context)

    def sign_statement(
        self, statement: Statement, *, identity: str, issuer: str = GITHUB_ISSUER
    ) -> Bundle:
        """Return a bundle with `statement`, signed by `identity`.

        Args:
            statement: What is signed.
            identity: As in `identity_token`.
            issuer: As in `identity_token`.
        """
        with self.signer(identity, issuer) as signer:
            return signer.sign_dsse(statement)

    def sign_wheel(self, path: Path, *, identity: str, issuer: str = GITHUB_ISSUER) -> Path:
        """Sign the plugin wheel at `path` in place, and return `path`.

        Args:
            path: The wheel.
            identity: As in `identity_token`.
            issuer: As in `identity_token`.
        """
        from stigmem_plugins.trust.signing import sign_wheel  # noqa: PLC0415  # who signs no wheel does without

        with self.signer(identity, issuer) as signer:
            sign_wheel(path, signer)
        return path

    def serve(self) -> AbstractContextManager[ServedAuthority]:
        """Serve this authority over HTTP, on a free port of this machine, in a `with` block.

        Fulcio is at `/api/v2/signingCert`, Rekor at `/api/v1/log/entries` or
        `/api/v2/log/entries`, the timestamp authority at `/api/v1/timestamp`. Where a proxy is
        configured, `NO_PROXY` has to name `127.0.0.1`.
        """
        return server.serve(self._services)
