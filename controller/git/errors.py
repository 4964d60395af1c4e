"""What can go wrong between a Git URL and the objects of a commit.

GitError                     nothing below is ever a state: the last good one stays
├── Terminal                 the same question gets the same answer until somebody changes something
│   ├── InvalidUrl           a URL that is not fetched: unknown scheme, embedded credentials
│   ├── InvalidCredentials   the credentials cannot be read, or must not be sent there
│   ├── AuthenticationFailed the remote refused the credentials, or wants some
│   ├── HostUntrusted        the remote's host key or certificate is not one that we believe
│   ├── CommandMissing       a program that this remote takes is not on PATH
│   ├── RefVanished          the remote has no such branch, tag or commit
│   ├── RefAmbiguous         a branch and a tag have the name
│   ├── EmptyRepository      the remote has no commit at all
│   ├── Malformed            an object that is whole and yet cannot be read, such as a tree of unknown modes
│   └── TooLarge             more bytes than a named limit
└── Transient                worth trying again
    ├── Unreachable          no answer, a broken one, or none in time
    ├── Abandoned            who waited for it has gone
    └── Corrupt              the mirror lacks or mangles an object that it must have; the next poll replaces it
"""

from controller import errors


class GitError(errors.HubError):
    """Base of all errors of this package; the message is for a person and holds no secret."""


class Terminal(GitError, errors.Terminal):
    """Trying again is of no use until the source, the remote or a setting changes."""


class Transient(GitError, errors.Transient):
    """Trying again may help."""


class InvalidUrl(Terminal):
    """A URL that is not fetched."""


class InvalidCredentials(Terminal):
    """Credentials that cannot be read, or that must not be sent to this URL."""


class AuthenticationFailed(Terminal):
    """The remote wants credentials, or refused those it got."""


class HostUntrusted(Terminal):
    """The remote cannot prove who it is: its host key or certificate is unknown, changed or invalid."""


class CommandMissing(Terminal):
    """This machine lacks `git` or `ssh`, and the remote cannot be talked to without."""


class RefVanished(Terminal):
    """The remote has no such branch, tag or commit (any more)."""


class RefAmbiguous(Terminal):
    """The remote has a branch and a tag of this name."""


class EmptyRepository(Terminal):
    """The remote has no commit."""


class Malformed(Terminal):
    """An object that hashes to its name and yet is not what it should be."""


class TooLarge(Terminal):
    """More than a named limit allows."""


class Unreachable(Transient):
    """The remote gave no answer, or none that is Git's, or none in time."""


class Unstorable(Transient):
    """The state directory is full, read-only or gone."""


class Abandoned(Transient):
    """The work was given up because who asked for it was cancelled."""


class Corrupt(Transient):
    """The mirror lacks an object that it must have, or holds one that does not hash to its name."""
