"""Identity tokens as the issuers make them, signed with a key that nobody checks.

Sigstore's clients do not verify tokens: they hand them to Fulcio. Ours reads the claims.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER: Final = "https://gitlab.com"
_KEY: Final = "the key of a local authority, known to everybody"


def claims_of(identity: str, issuer: str) -> dict[str, Any]:
    """The claims by which an issuer says who somebody is.

    Example:
        >>> claims = claims_of(
        ...     "https://github.com/acme/plugin/.github/workflows/release.yml@refs/tags/v1",
        ...     GITHUB_ISSUER,
        ... )
        >>> claims["sub"], claims["repository"]
        ('repo:acme/plugin:ref:refs/tags/v1', 'acme/plugin')
    """
    workflow, _, ref = identity.rpartition("@")
    path = workflow.partition("://")[2].partition("/")[2]
    if issuer == GITHUB_ISSUER:
        repository = "/".join(path.split("/")[:2])
        said = {"sub": f"repo:{repository}:ref:{ref}", "repository": repository, "ref": ref}
        return {**said, "job_workflow_ref": f"{path}@{ref}"}
    if issuer == GITLAB_ISSUER:
        project = path.partition("//")[0]
        kind = "tag" if ref.startswith("refs/tags/") else "branch"
        short = ref.removeprefix("refs/tags/").removeprefix("refs/heads/")
        said = {"sub": f"project_path:{project}:ref_type:{kind}:ref:{short}"}
        return {**said, "project_path": project, "ci_config_ref_uri": f"gitlab.com/{path}@{ref}"}
    if "://" in identity:
        return {"sub": identity}
    return {"sub": identity, "email": identity, "email_verified": True}


def identity_token(identity: str, issuer: str) -> str:
    """A token of an issuer about an identity, valid for an hour from now."""
    now = datetime.now(UTC)
    times = {"iat": now - timedelta(seconds=1), "exp": now + timedelta(hours=1)}
    claims = {"iss": issuer, "aud": "sigstore", **times, **claims_of(identity, issuer)}
    return jwt.encode(claims, _KEY, algorithm="HS256")


def read_token(token: str) -> dict[str, Any]:
    """The claims of a token.

    Raises:
        jwt.PyJWTError: It is none.
    """
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
