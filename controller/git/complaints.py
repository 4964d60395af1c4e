"""What the `git` and `ssh` commands write when they fail, as our errors, with what to do about it.

Exit codes say nothing, and the texts are stable: the commands run with the C locale.
"""

import re

from controller.git import errors, limits
from controller.git.conversations import Conversation

_NOISE = re.compile(
    r"(debug\d:|OpenSSH_|Authenticat|Transferred:|Bytes per second|From |Please make sure|and the repository exists"
    r"|fatal: Could not read from remote|(remote: )?(Enumerating|Counting|Compressing|Receiving|Resolving|Total"
    r"|Checking|Unpacking)\b|\s*$)"
)
"""Lines that give no reason."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")

_HOST_KEY = re.compile(r"debug1: Server host key: (?P<kind>\S+) (?P<fingerprint>SHA256:\S+)")

_CERTIFICATE = re.compile(
    r"server certificate verification failed|SSL certificate problem[^\n]*|SSL: [^\n]*does not match[^\n]*"
    r"|SSL: no alternative certificate[^\n]*|certificate subject name[^\n]*|certificate has expired"
)

_CORRUPT = re.compile(
    r"(?m)^(error|fatal): (bad object|object file .* is empty|missing (blob|tree|commit)|.*did not send all necessary"
    r"|.*index file .* is|.*does not match index|packfile .* (cannot|is)|.*is corrupt|inflate: data stream)"
)
"""Of our own objects; what the remote says of its own begins with `remote:`."""


def translated(complaint: str, conversation: Conversation) -> errors.GitError:
    """The error for a command that failed with this complaint."""
    if conversation.credentials is not None:
        complaint = conversation.credentials.scrub(complaint)
    if conversation.identity is not None:
        found = _of_ssh(complaint, conversation)
    else:
        found = _of_https(complaint, conversation)
    if found is not None:
        return found
    kind = errors.Corrupt if _CORRUPT.search(complaint) else errors.Unreachable
    return kind(f"{conversation.url}: cannot be fetched ({_reason(complaint)})")


def _of_ssh(complaint: str, conversation: Conversation) -> errors.GitError | None:
    url, identity = conversation.url, conversation.identity
    assert identity is not None, "of an ssh remote"
    if "Host key verification failed" in complaint or "REVOKED HOST KEY" in complaint:
        return errors.HostUntrusted(f"{url}: {_distrust(complaint, conversation)}")
    if re.search(r"(?m)Permission denied \(|Too many authentication failures", complaint):
        return errors.AuthenticationFailed(
            f"{url}: the remote refused the key {identity.fingerprint} of {identity.user} "
            "(add its public half there as a deploy key that may read)"
        )
    if "ssh: not found" in complaint or "cannot run ssh" in complaint:
        return errors.CommandMissing(f"{url}: takes the `ssh` command, which the hub cannot run")
    return None


def _distrust(complaint: str, conversation: Conversation) -> str:
    shown = _HOST_KEY.search(complaint)
    key = f" {shown['kind']} {shown['fingerprint']}" if shown is not None else ""
    host, port = conversation.url.host, conversation.url.port
    name = host if port == 22 else f"[{host}]:{port}"
    if "REVOKED HOST KEY" in complaint:
        return f"the host key{key} of {name} is marked as revoked in the known hosts; nothing was sent"
    if "HOST IDENTIFICATION HAS CHANGED" in complaint:
        return (
            f"the host key of {name} has changed to{key}, another is known; nothing was sent "
            "(if its operator confirms the new one, replace the line of knownHosts or knownHostsFile)"
        )
    return (
        f"the host key{key} of {name} is not known; nothing was sent "
        "(if its operator confirms it, add a line to knownHosts or knownHostsFile)"
    )


def _of_https(complaint: str, conversation: Conversation) -> errors.GitError | None:
    url = conversation.url
    found = _CERTIFICATE.search(complaint)
    if found is not None:
        detail = _UNPRINTABLE.sub(" ", found[0])[: limits.MESSAGE_CHARACTERS_MAX]
        return errors.HostUntrusted(untrusted(url, detail))
    if "could not read Username" in complaint or "Authentication failed" in complaint:
        said = "wants credentials" if conversation.credentials is None else "refused the credentials"
        return errors.AuthenticationFailed(f"{url}: the remote {said}")
    if re.search(r"returned error: 40[13]", complaint):
        return errors.AuthenticationFailed(f"{url}: the remote refused the credentials")
    if re.search(r"returned error: 30\d|unable to update url base from redirection", complaint):
        return errors.Unreachable(f"{url}: redirects elsewhere (use the URL that it redirects to)")
    return None


def untrusted(url: object, detail: str) -> str:
    """What to do about a certificate that is not believed."""
    return (
        f"{url}: the server's certificate is not trusted ({detail}); nothing was sent "
        "(name with caFile the PEM bundle of the CA that signed it)"
    )


def _reason(complaint: str) -> str:
    lines = [line for line in re.split(r"[\r\n]+", complaint) if not _NOISE.match(line)]
    text = _UNPRINTABLE.sub(" ", "; ".join(line.strip() for line in lines))
    return text[-limits.MESSAGE_CHARACTERS_MAX :] or "no reason was given"
