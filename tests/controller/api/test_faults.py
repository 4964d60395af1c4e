"""Where in a body the fault lies, as a JSON pointer."""

import msgspec
import pytest

from controller.api import clusters, faults, sources


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        (sources.Declare, b'{"name": "shop"}', "#/spec"),
        (sources.Declare, b'{"name": "shop", "spec": {}}', "#/spec/url"),
        (sources.Declare, b'{"name": "shop", "spec": {"url": "x", "paths": ["/", 1]}}', "#/spec/paths/1"),
        (
            sources.Declare,
            b'{"name": "shop", "spec": {"url": "x", "targets": [{"names": 1}]}}',
            "#/spec/targets/0/names",
        ),
        (clusters.Add, b'{"name": "a", "labels": {"x": 1}}', "#/labels"),
        (clusters.Add, b'{"name": "a", "a/b~c": 1}', "#/a~1b~0c"),
        (clusters.Add, b"3", "#"),
    ],
)
def test_a_fault_is_pointed_at(kind: type[msgspec.Struct], body: bytes, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as found:
        msgspec.json.decode(body, type=kind)

    assert faults.of_message(str(found.value)).pointer == pointer
