"""Who signs: the identity token, and what Fulcio writes of it into a certificate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import attrs
from cryptography import x509

from stigmem_plugins.testing.sigstore import der
from stigmem_plugins.testing.sigstore.refusals import RequestRefused

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"

_AUDIENCE = "sigstore"
_TOKEN_LIFETIME = 600
_FULCIO_ARC = "1.3.6.1.4.1.57264.1"

_IDENTITY = re.compile("[!-~]+(://|@)[!-~]+")
_GITHUB_IDENTITY = re.compile(
    r"https://github\.com/(?P<workflow>(?P<repository>(?P<owner>[^/]+)/[^/]+)/[^@]+@(?P<ref>.+))"
)
_GITLAB_IDENTITY = re.compile(
    r"https://(?P<workflow>(?P<host>[^/]+)/(?P<repository>(?P<owner>.+?)/[^/]+)//[^@]+@(?P<ref>.+))"
)


@attrs.frozen
class Subject:
    """What a certificate says about its holder.

    Attributes:
        name: The identity, as the subject alternative name.
        extensions: Fulcio's extensions, in the order of their numbers.
    """

    name: x509.GeneralName
    extensions: tuple[x509.UnrecognizedExtension, ...]


def claims(identity: str, issuer: str) -> dict[str, Any]:
    """Return the claims of a token with which Fulcio would certify `identity`.

    Args:
        identity: What the certificate is to name: the URI of a workflow, another URI, or an
            e-mail address.
        issuer: Who vouches for it.

    Raises:
        ValueError: A certificate cannot name `identity`, or GitHub does not issue tokens for it.
    """
    if not _IDENTITY.fullmatch(identity):
        msg = f"a certificate names a URI or an e-mail address, in ASCII, and not {identity!r}"
        raise ValueError(msg)
    now = int(time.time())
    common = {"iss": issuer, "aud": _AUDIENCE, "iat": now, "nbf": now, "exp": now + _TOKEN_LIFETIME}
    if issuer == GITHUB_ISSUER:
        return common | _github_claims(identity)
    if gitlab := _GITLAB_IDENTITY.fullmatch(identity):
        return common | _gitlab_claims(gitlab)
    if "://" in identity:
        return common | {"sub": identity}
    return common | {"sub": identity, "email": identity, "email_verified": True}


def _github_claims(identity: str) -> dict[str, str]:
    """Return what GitHub says of a run of the workflow `identity`."""
    workflow = _GITHUB_IDENTITY.fullmatch(identity)
    if workflow is None:
        msg = (
            f"{GITHUB_ISSUER} does not issue tokens for {identity!r}: name a workflow "
            "(https://github.com/OWNER/REPOSITORY/.github/workflows/NAME.yml@REF), "
            "or pass the issuer= that does"
        )
        raise ValueError(msg)
    repository, ref = workflow["repository"], workflow["ref"]
    return {
        "sub": f"repo:{repository}:ref:{ref}",
        "repository": repository,
        "repository_owner": workflow["owner"],
        "ref": ref,
        "job_workflow_ref": workflow["workflow"],
        "workflow_ref": workflow["workflow"],
        "event_name": "push",
        "runner_environment": "github-hosted",
    }


def _gitlab_claims(workflow: re.Match[str]) -> dict[str, str]:
    """Return what GitLab says of a pipeline."""
    kind = "tag" if workflow["ref"].startswith("refs/tags/") else "branch"
    ref = re.sub("^refs/(heads|tags)/", "", workflow["ref"])
    return {
        "sub": f"project_path:{workflow['repository']}:ref_type:{kind}:ref:{ref}",
        "project_path": workflow["repository"],
        "namespace_path": workflow["owner"],
        "ref": ref,
        "ref_type": kind,
        "ref_path": workflow["ref"],
        "ci_config_ref_uri": workflow["workflow"],
        "pipeline_source": "push",
        "runner_environment": "gitlab-hosted",
    }


def encode_token(payload: Mapping[str, Any], secret: bytes) -> str:
    """Return `payload` as a JWT, authenticated with `secret` (HS256)."""
    head = ".".join(
        _base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, payload)
    )
    return f"{head}.{_base64url(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def decode_token(token: str, secret: bytes) -> dict[str, Any]:
    """Return the claims of a token made by `encode_token`.

    Raises:
        RequestRefused: The token was not made with `secret`, is for another audience or is
            out of date.
    """
    head, _, mac = token.rpartition(".")
    expected = _base64url(hmac.digest(secret, head.encode(), hashlib.sha256))
    if not hmac.compare_digest(mac.encode(), expected.encode()):
        raise RequestRefused(
            reason="the identity token is not of this authority", status=HTTPStatus.UNAUTHORIZED
        )
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head.partition(".")[2] + "=="))
    if payload["aud"] != _AUDIENCE or not payload["nbf"] <= time.time() < payload["exp"]:
        raise RequestRefused(
            reason="the identity token is for another audience or out of date",
            status=HTTPStatus.UNAUTHORIZED,
        )
    return payload


def subject(token: Mapping[str, Any]) -> Subject:
    """Return what Fulcio certifies of the holder of a token with these claims.

    Raises:
        ValueError: The identity is neither a URI nor an e-mail address in ASCII.
    """
    issuer = str(token["iss"])
    # The first issuer extension and GitHub's own are bare text, all later ones UTF8String.
    bare = {1: issuer}
    text = {8: issuer}
    if issuer == GITHUB_ISSUER:
        bare |= {5: token["repository"], 6: token["ref"]}
        text |= _workflow_extensions(
            "https://github.com",
            signer=f"https://github.com/{token['job_workflow_ref']}",
            config=f"https://github.com/{token['workflow_ref']}",
            repository=token["repository"],
            owner=token["repository_owner"],
            ref=token["ref"],
        )
        name: x509.GeneralName = x509.UniformResourceIdentifier(text[9])
    elif "ci_config_ref_uri" in token:
        pipeline = f"https://{token['ci_config_ref_uri']}"
        text |= _workflow_extensions(
            "/".join(pipeline.split("/")[:3]),
            signer=pipeline,
            config=pipeline,
            repository=token["project_path"],
            owner=token["namespace_path"],
            ref=token["ref_path"],
        )
        name = x509.UniformResourceIdentifier(text[9])
    elif "email" in token:
        name = x509.RFC822Name(token["email"])
    else:
        name = x509.UniformResourceIdentifier(token["sub"])
    values = {number: value.encode() for number, value in bare.items()} | {
        number: der.encode(der.UTF8_STRING, value.encode()) for number, value in text.items()
    }
    return Subject(
        name,
        tuple(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO_ARC}.{number}"), value)
            for number, value in sorted(values.items())
        ),
    )


def _workflow_extensions(
    host: str, *, signer: str, config: str, repository: str, owner: str, ref: str
) -> dict[int, str]:
    """Return the extensions that Fulcio derives from the claims of a workflow."""
    return {
        9: signer,
        12: f"{host}/{repository}",
        14: ref,
        16: f"{host}/{owner}",
        18: config,
    }


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
