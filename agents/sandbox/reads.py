"""Reading: which objects a request selects, and how they are rendered."""

from collections.abc import Mapping, Sequence

import msgspec

from agents.sandbox import selectors, statuses, store, tables
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Object, Resource
from agents.sandbox.store import Record


class Selection(msgspec.Struct, frozen=True):
    """What of a collection a list or watch asks for."""

    namespace: str = ""
    labels: selectors.Requirement | None = None
    fields: Sequence[selectors.FieldRequirement] = ()

    @property
    def whole(self) -> bool:
        """Whether all objects of the namespace, or of all namespaces, are asked for."""
        return self.labels is None and not self.fields

    def matches(self, record: Record) -> bool:
        if self.namespace and record.name[0] != self.namespace:
            return False
        if self.labels is not None and not self.labels(record.labels):
            return False
        return not self.fields or selectors.matches_fields(record.decode(), list(self.fields))


def selection(target: Target, query: Mapping[str, str]) -> Selection:
    """Read the selection of a request."""
    labels = query.get("labelSelector", "")
    return Selection(
        namespace=target.namespace,
        labels=selectors.labels(labels) if labels else None,
        fields=selectors.fields(query.get("fieldSelector", "")),
    )


class Rendering(msgspec.Struct, frozen=True):
    """The form in which a client wants objects."""

    resource: Resource
    form: str = "Object"  # Object, Table or Metadata
    objects: str = "Metadata"  # what goes along in the rows of a Table
    at: float = 0.0

    @property
    def prefix(self) -> bytes:
        """How every stored object of this resource and version begins."""
        return b'{"kind":"%s","apiVersion":"%s",' % (self.resource.kind.encode(), self.resource.api_version.encode())

    def one(self, record: Record) -> bytes:
        """Render one object."""
        if self.form == "Table":
            return self.table([record], {"resourceVersion": str(record.version)})
        if self.form == "Metadata":
            return store.encode(_metadata(record.decode()))
        return self.versioned(record)

    def versioned(self, record: Record) -> bytes:
        """Render an object in the version asked for: custom resources convert by name only."""
        if record.raw.startswith(self.prefix):
            return record.raw
        return store.encode({**record.decode(), "apiVersion": self.resource.api_version})

    def many(self, records: Sequence[Record], version: str, *, more: Object | None = None) -> bytes:
        """Render a list."""
        if self.form == "Table":
            return self.table(records, {"resourceVersion": version} | (more or {}))
        unpaged: Object = {"continue": ""} if self.resource.custom else {}  # as the real server has it
        meta = store.encode({"resourceVersion": version} | unpaged | (more or {}))
        if self.form == "Metadata":
            items = [store.encode(_metadata(record.decode())) for record in records]
            head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1"'
        else:
            items = [self._item(record) for record in records]
            head = self.prefix.replace(b'","apiVersion', b'List","apiVersion', 1)[:-1]
        return head + b',"metadata":' + meta + b',"items":[' + b",".join(items) + b"]}"

    def _item(self, record: Record) -> bytes:
        raw = self.versioned(record)
        if self.resource.custom:
            return raw
        return b"{" + raw[len(self.prefix) :]  # the items of a built-in list do not repeat their kind

    def table(self, records: Sequence[Record], meta: Object) -> bytes:
        items = [record.decode() for record in records]
        return store.encode(tables.table(self.resource, items, meta=meta, at=self.at, objects=self.objects))

    def bookmark(self, version: int, *, initial: bool = False) -> bytes:
        meta: Object = {"resourceVersion": str(version)}
        if initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.form == "Table":
            return store.encode(tables.bookmark(self.resource, meta))
        if self.form == "Metadata":
            return store.encode(_metadata({"metadata": meta}))
        return store.encode({"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": meta})


def _metadata(item: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def rendering(resource: Resource, accept: str, query: Mapping[str, str], *, at: float) -> Rendering:
    """Choose the form that a client prefers."""
    first = accept.split(",")[0]
    form = "Table" if tables.wanted(accept) else "Metadata" if "as=PartialObjectMetadata" in first else "Object"
    return Rendering(resource, form, query.get("includeObject", "Metadata"), at)


def live(cluster: Cluster, target: Target) -> Object:
    """Return an object decoded."""
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        raise statuses.not_found(target.resource, target.name)
    return record.decode()


def get(cluster: Cluster, target: Target, how: Rendering) -> bytes:
    """Return one object."""
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        raise statuses.not_found(target.resource, target.name)
    return how.one(record)
