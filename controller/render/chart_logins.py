"""User and password in the address of a chart repository: they reach helm in files that only we may read.

Whoever lists the processes of a machine reads their arguments, so no address with a password may be one.
"""

import base64
import re
import urllib.parse

import msgspec

REPOSITORY = "private"
"""What a repository is called in helm's files."""

REPOSITORIES = "config/repositories.yaml"
REGISTRIES = "config/registries.json"
"""Where the files stand in the directory of one run, which is ours alone and gone after it."""

_CREDENTIALS = re.compile(r"//[^/\s]*@")
"""Up to the last @: a password may hold one."""
_HOST = re.compile(r"(?:[^:\[\]]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?")
_HIDDEN = "…"


class Login(msgspec.Struct, frozen=True):
    """An address, and who asks there."""

    address: str
    """Without user and password."""
    host: str
    """With its port, as registries are named."""
    username: str
    password: str

    def repositories(self) -> bytes:
        """Helm's list of repositories, with this one."""
        entry = {"name": REPOSITORY, "url": self.address, "username": self.username, "password": self.password}
        return msgspec.json.encode({"apiVersion": "", "repositories": [entry]})

    def registries(self) -> bytes:
        """The logins of OCI registries, with this one."""
        return msgspec.json.encode({"auths": {self.host: {"auth": self._basic()}}})

    def hidden(self, text: str) -> str:
        """A text without the password, or the token that stands for a user, in whichever form: a server may send back
        what it was sent."""
        plain = self.password or self.username
        for secret in (self._basic(), urllib.parse.quote(plain, safe=""), plain):
            text = text.replace(secret, _HIDDEN) if secret else text
        return text

    def _basic(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def split(address: str) -> Login | None:
    """What an address says of user and password; None: nothing."""
    scheme, _, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    credentials, at, host = place.rpartition("@")
    if not at:
        return None
    username, _, password = credentials.partition(":")
    unquoted = urllib.parse.unquote
    return Login(f"{scheme}://{host}{slash}{path}", host, unquoted(username), unquoted(password))


def is_plain(address: str) -> bool:
    """Is it clear where the name of the host ends? A / in a password that is not escaped ends it too early: the rest of
    the password would pass for a path, and be shown."""
    place = address.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return _HOST.fullmatch(place) is not None


def without_credentials(text: str) -> str:
    """A text without the users and passwords of the addresses in it."""
    return _CREDENTIALS.sub("//", text)
