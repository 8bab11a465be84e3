"""What a distribution may do in a node, and who answers for it, at one version."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from stigmem_plugins.trust.signer import Signer


@frozen
class Publisher:
    """Who signed a distribution.

    Args:
        signer: The certificate identity and its issuer; None where there is none to read.
        verified: Whether the signature and the files were verified; otherwise the identity is
            merely claimed.
        problem: Why they were not, of what is signed.

    Example:
        >>> str(Publisher()), str(Publisher(Signer("ada@example.com"), verified=True))
        ('unsigned', 'ada@example.com, verified')
    """

    signer: Signer | None = None
    verified: bool = False
    problem: str | None = field(default=None, eq=False)

    def __str__(self) -> str:
        """In words that claim no more than is known."""
        if self.signer is None:
            return "a signature that cannot be read" if self.problem else "unsigned"
        return f"{self.signer}, {'verified' if self.verified else 'claimed, not verified'}"


@frozen
class Rights:
    """What one plugin is and may do; None where only running it can tell.

    Args:
        entry_point: Its entry point's name.
        name: Its own.
        version: Its version.
        requires_stigmem: Which nodes it is for.
        capabilities: What it may ask its context for.
        hooks: Where it is called.
        depends_on: Which plugins it needs.
    """

    entry_point: str
    name: str | None = None
    version: str | None = None
    requires_stigmem: str | None = None
    capabilities: frozenset[str] | None = None
    hooks: frozenset[str] | None = None
    depends_on: frozenset[str] | None = None


@frozen
class Snapshot:
    """One version of a distribution.

    Args:
        target: What the user called it.
        name: The distribution's name.
        version: Its version.
        publisher: Who signed it.
        plugins: Its plugins: as they were signed, if that is verified, else as its files say.
        dependencies: The requirements for other distributions, by their names.
        digest: Of what was read of it.
        unclear: What may run besides the modules that were read, in words.
    """

    target: str
    name: str | None = None
    version: str | None = None
    publisher: Publisher = field(factory=Publisher)
    plugins: tuple[Rights, ...] = ()
    dependencies: Mapping[str, str] = field(factory=dict)
    digest: str = field(default="", repr=False)
    unclear: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """Which one it is, by name, for JSON."""
        signer = self.publisher.signer
        return {
            "target": self.target,
            "distribution": self.name,
            "version": self.version,
            "signed_by": signer.identity if signer else None,
            "issuer": signer.issuer if signer else None,
            "verified": self.publisher.verified,
            "problem": self.publisher.problem,
        }
