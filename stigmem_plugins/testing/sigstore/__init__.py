"""A local Sigstore authority, to test what is signed without a network.

Importing this package imports sigstore, which takes a moment: `stigmem_plugins.testing` does not.
"""

from stigmem_plugins.testing.sigstore.authority import LocalAuthority
from stigmem_plugins.testing.sigstore.service import ServedAuthority
from stigmem_plugins.testing.sigstore.tokens import GITHUB_ISSUER, GITLAB_ISSUER

__all__ = ["GITHUB_ISSUER", "GITLAB_ISSUER", "LocalAuthority", "ServedAuthority"]
