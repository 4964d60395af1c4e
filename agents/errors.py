"""What can go wrong in the agent beside its API server.

AgentError
├── Transient            tried again
│   ├── HubUnavailable   not connected, no answer in time, or nobody there to answer
│   ├── BlobMissing      the hub does not have the blob (yet)
│   ├── DiskFailed       the state directory cannot be read or written
│   ├── Superseded       the inventory or the high-water mark was changed by somebody else meanwhile
│   ├── LeaseLost        another agent acts for the cluster, or may do so
│   └── AnotherCluster   the API server is another cluster's than it was
└── Terminal             a person must do something
    ├── SetupError       the credentials, the configuration or the state directory cannot be used
    ├── Unreadable       a verified desired state, or the inventory, that does not hold together
    ├── NotLetIn         the hub does not let the agent in
    └── HubRefused       the hub answered, and did not take it
"""


class AgentError(Exception):
    """Base of the agent's errors."""


class Transient(AgentError):
    """May go well when tried again."""


class Terminal(AgentError):
    """A person must do something."""


class HubUnavailable(Transient):
    """The hub cannot be reached now."""


class BlobMissing(Transient):
    """The hub does not have a blob that a desired state needs."""


class DiskFailed(Transient):
    """The state directory cannot be read or written."""


class Superseded(Transient):
    """Somebody else changed what we were about to change."""


class LeaseLost(Transient):
    """Another agent acts for the cluster, or may do so."""


class AnotherCluster(Transient):
    """Behind the same address there is another cluster now."""


class SetupError(Terminal):
    """The agent cannot be started as it is set up."""


class Unreadable(Terminal):
    """A verified desired state, or the inventory, that does not hold together."""


class NotLetIn(Terminal):
    """The hub does not let the agent in, and says why."""


class HubRefused(Terminal):
    """The hub's NATS answered with an error."""
