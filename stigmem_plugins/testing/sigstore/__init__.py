"""A local Sigstore authority, so that what is signed can be tested without a network.

Importing this imports sigstore, which is slow: import it where it is used.
"""

from stigmem_plugins.testing.sigstore.authority import LocalAuthority
from stigmem_plugins.testing.sigstore.identities import GITHUB_ISSUER
from stigmem_plugins.testing.sigstore.server import ServedAuthority

__all__ = ["GITHUB_ISSUER", "LocalAuthority", "ServedAuthority"]
