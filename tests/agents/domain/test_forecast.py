"""What a change reads like, and what holds for every two objects."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.domain import forecast
from protocol.reports import FieldChange


def obj(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, **fields}


def changes(before: dict[str, Any], after: dict[str, Any], **options: Any) -> list[tuple[str, str, str]]:
    found = forecast.changes(before, after, **{"veil": forecast.open_, **options})
    return [(item.field, item.before, item.after) for item in found.fields]


def test_a_field_is_told_with_its_values() -> None:
    """Changed, new and gone."""
    before, after = obj(spec={"replicas": 2, "paused": True}), obj(spec={"replicas": 3, "image": "web:2"})

    assert changes(before, after) == [
        (".spec.image", "", '"web:2"'),
        (".spec.paused", "true", ""),
        (".spec.replicas", "2", "3"),
    ]


def test_items_with_names_are_compared_by_name() -> None:
    """A container that moved is the same container; one without a name is told by its place."""
    one, two = {"name": "one", "image": "a"}, {"name": "two", "image": "b"}
    newer = {"name": "two", "image": "c"}

    assert changes(obj(items=[one, two]), obj(items=[newer, one])) == [(".items[name=two].image", '"b"', '"c"')]
    assert changes(obj(items=[one]), obj(items=[one, two])) == [(".items[name=two]", "", '{"image":"b","name":"two"}')]
    assert changes(obj(items=[1, 2]), obj(items=[1, 3])) == [(".items[1]", "2", "3")]
    assert changes(obj(items=[1]), obj(items=[1, 3])) == [(".items", "[1]", "[1,3]")]
    assert changes(obj(items=[one, two]), obj(items=[two, one]))[0][0] == ".items"


def test_odd_keys_are_quoted() -> None:
    assert changes(obj(data={"a.b/c": "1"}), obj(data={}))[0][0] == '.data["a.b/c"]'


def test_what_the_server_writes_by_itself_is_left_out() -> None:
    """Versions, managed fields, and the status of somebody else."""
    before = {"metadata": {"name": "x", "resourceVersion": "1", "uid": "a"}, "status": {"ready": 1}}
    after = {"metadata": {"name": "x", "resourceVersion": "2", "uid": "b"}, "status": {"ready": 2}}

    assert changes(before, after) == []
    assert changes(before, after, with_status=True) == [(".status.ready", "1", "2")]


def test_of_a_secret_only_the_fields_are_told() -> None:
    found = changes(obj(data={"key": "b2xk"}), obj(data={"key": "bmV3", "more": "eA=="}), veil=forecast.hidden)

    assert found == [(".data.key", "(hidden)", "(hidden)"), (".data.more", "", "(hidden)")]


def test_what_is_told_is_bounded() -> None:
    """The number tells the rest; a value is cut."""
    before, after = obj(data={}), obj(data={f"k{number:03}": "v" * 1000 for number in range(100)})
    found = forecast.changes(before, after, veil=forecast.open_)

    assert (len(found.fields), found.left_out) == (forecast.CHANGES_MAX, 100 - forecast.CHANGES_MAX)
    assert all(len(item.after) == forecast.VALUE_CHARS_MAX for item in found.fields)


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab.", max_size=3)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b/c"]), inner, max_size=3)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(["spec", "data"]), values).map(lambda fields: obj(**fields))


@given(objects, objects)
def test_two_objects_differ_exactly_if_a_change_is_told(before: dict[str, Any], after: dict[str, Any]) -> None:
    """And the way back is the same with its sides swapped."""
    there, back = (
        forecast.changes(before, after, veil=forecast.open_),
        forecast.changes(after, before, veil=forecast.open_),
    )

    assert bool(there) == (repr(_ordered(before)) != repr(_ordered(after)))
    assert sorted(there.fields, key=_field) == sorted(
        (FieldChange(item.field, item.after, item.before) for item in back.fields), key=_field
    )


def _field(change: FieldChange) -> str:
    return change.field


def _ordered(value: Any) -> Any:
    """Without the order of keys, which means nothing."""
    if isinstance(value, dict):
        return "a map", [(key, _ordered(value[key])) for key in sorted(value)]
    return [_ordered(item) for item in value] if isinstance(value, list) else value


@given(objects, objects)
def test_no_value_of_a_secret_is_told(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = forecast.changes(before, after, veil=forecast.hidden)

    assert {text for item in found.fields for text in (item.before, item.after)} <= {"", forecast.HIDDEN}
