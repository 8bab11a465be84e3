"""Who signed, and the entries by which an operator names publishers."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import urlsplit

from attrs import frozen

ISSUERS: Final = {
    "github.com": "https://token.actions.githubusercontent.com",
    "gitlab.com": "https://gitlab.com",
}
"""The issuer of the workflow identities of a code host."""

WILDCARDS: Final = ("@*", "@refs/tags/*", "@refs/heads/*")
"""How an entry may end to admit many refs of one workflow."""


@frozen
class Signer:
    """Who signed something, as the certificate says.

    Args:
        identity: The certificate identity: a workflow's URI, or an e-mail address.
        issuer: Who vouched for it, as a URL; None where only a host's word for it is known.
        repository: The source repository's URI, of a workflow.
        workflow: The URI of the workflow that was started, with its ref, of a workflow.
    """

    identity: str
    issuer: str | None = None
    repository: str | None = None
    workflow: str | None = None

    def __str__(self) -> str:
        """The identity, with who vouched for it."""
        return f"{self.identity} (issuer {self.issuer})" if self.issuer else self.identity


@frozen
class PublisherEntry:
    """One entry of a list of publishers.

    Args:
        identity: A certificate identity; a workflow's may end in one of `WILDCARDS`.
        issuer: The issuer that the identity must be of; None for any.

    Example:
        >>> entry = PublisherEntry.parse("ada@example.com@https://accounts.google.com")
        >>> entry.identity, entry.issuer
        ('ada@example.com', 'https://accounts.google.com')
        >>> entry.matches(Signer("ada@example.com", "https://elsewhere.example"))
        False
        >>> ci = "https://github.com/acme/plugin/.github/workflows/release.yml"
        >>> releases = PublisherEntry.parse(f"{ci}@refs/tags/*")
        >>> releases.issuer
        'https://token.actions.githubusercontent.com'
        >>> releases.matches(Signer(f"{ci}@refs/tags/v1.0", releases.issuer))
        True
        >>> releases.matches(Signer(f"{ci}@refs/heads/main", releases.issuer))
        False
    """

    identity: str
    issuer: str | None = None
    pinned: bool = False
    """Whether the entry itself names the issuer: one that its host implies is not asked for
    where only a host's word for an identity is known."""

    @classmethod
    def parse(cls, text: str, issuer: str | None = None) -> Self:
        """Read an entry: `IDENTITY` or `IDENTITY@ISSUER`, the issuer as a URL.

        Args:
            text: The entry.
            issuer: The issuer, where it is given apart from the entry.

        Raises:
            ValueError: A `*` stands where none may.
        """
        identity, separator, named = text.rpartition("@https://")
        if separator and identity and issuer is None:
            issuer = f"https://{named}"
        else:
            identity = text
        if "*" in identity and not _is_wildcard(identity):
            message = (
                f"publisher {text!r}: * may only stand for the ref of a workflow, as in "
                f"{' or '.join(f'….yml{wildcard}' for wildcard in WILDCARDS)}"
            )
            raise ValueError(message)
        if issuer:
            return cls(identity, issuer, pinned=True)
        return cls(identity, ISSUERS.get(urlsplit(identity).hostname or ""))

    def matches(self, signer: Signer) -> bool:
        """Whether the signer is one that the entry names."""
        if signer.issuer is None:
            return not self.pinned and self.names(signer.identity)
        return self.issuer in {None, signer.issuer} and self.names(signer.identity)

    def could_be(self, signer: Signer) -> bool:
        """Whether the entry may mean the signer: denials err on this side.

        Any ref will do for a `*`, and any issuer where that of the signer is not known.

        Example:
            >>> denied = PublisherEntry.parse("ada@example.com@https://accounts.google.com")
            >>> told = Signer("ada@example.com")
            >>> denied.could_be(told), denied.matches(told)
            (True, False)
        """
        stem = self.identity.removesuffix("*")
        is_wildcard = stem != self.identity and signer.identity.startswith(stem)
        return (is_wildcard or signer.identity == self.identity) and (
            signer.issuer is None or self.issuer in {None, signer.issuer}
        )

    def names(self, identity: str) -> bool:
        """Whether an identity is one of those that the entry names, of any issuer."""
        if not self.identity.endswith("*"):
            return identity == self.identity
        stem = self.identity.removesuffix("*")
        ref = identity.removeprefix(stem)
        # A file's name may have an @ too: beyond the ref's own, none is taken for part of a ref.
        return identity.startswith(stem) and bool(ref) and "@" not in ref

    def other_ref(self, identity: str) -> str | None:
        """The entry's ref, where an identity is of the same workflow and another ref.

        Returns:
            The ref, empty for an entry that was given none; None for another workflow.

        Example:
            >>> ci = "https://github.com/acme/plugin/.github/workflows/release.yml"
            >>> releases = PublisherEntry.parse(f"{ci}@refs/tags/*")
            >>> releases.other_ref(f"{ci}@refs/heads/main")
            'refs/tags/*'
        """
        workflow, _, ref = self.identity.partition("@")
        is_same = urlsplit(workflow).scheme == "https" and identity.startswith(f"{workflow}@")
        return ref if is_same and not self.names(identity) else None

    def __str__(self) -> str:
        """The entry as an operator would write it."""
        return f"{self.identity}@{self.issuer}" if self.pinned else self.identity


def _is_wildcard(identity: str) -> bool:
    stem = identity.removesuffix("*")
    return (
        identity.startswith("https://")
        and identity.endswith(WILDCARDS)
        and not {"*"} & set(stem)
        and stem.count("@") == 1
    )
