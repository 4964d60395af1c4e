"""A fleet told apart by what is asked of it: nobody is overlooked, and who is alike is looked at once."""

from hypothesis import given
from hypothesis import strategies as st

from controller.domain import audiences, catalogs, inputs, placements
from protocol import ids, selectors

LABELS = ("env", "region")
VALUES = ("a", "b")
FLEET = tuple(
    inputs.Facts(name=f"c{number}", labels=labels, groups=("g",) if number % 3 else (), values={"x": str(number % 2)})
    for number, labels in enumerate(
        {key: value for key, value in zip(LABELS, (one, other), strict=True) if value}
        for one in ("", *VALUES)
        for other in ("", *VALUES)
    )
)

SELECTORS = st.builds(
    selectors.Selector,
    match_labels=st.dictionaries(st.sampled_from(LABELS), st.sampled_from(VALUES), max_size=2),
    match_expressions=st.lists(
        st.builds(
            selectors.Expression,
            key=st.sampled_from(LABELS),
            operator=st.sampled_from(selectors.Operator),
            values=st.just(("a",)),
        ),
        max_size=1,
    ).map(tuple),
    groups=st.sampled_from([(), ("g",)]),
    names=st.sampled_from([(), ("c[0-4]",)]),
)
TARGETS = st.builds(
    lambda one, out: selectors.Target(one.match_labels, one.match_expressions, one.groups, one.names, out),
    SELECTORS,
    st.lists(SELECTORS, max_size=1).map(tuple),
)
VARIANTS = st.builds(
    catalogs.Variant,
    matched=st.sampled_from([(), (0,), (1,), (0, 1)]),
    inputs=st.dictionaries(st.sampled_from(["cluster.labels.env", "vars.x"]), st.sampled_from(["a", "0", None])),
)


def test_clusters_that_answer_alike_are_looked_at_once() -> None:
    audience = audiences.Audience(FLEET)

    assert [one.name for one in audience.distinct(frozenset())] == ["c0"]
    assert [one.name for one in audience.distinct(frozenset({"cluster.labels.region"}))] == ["c0", "c1", "c2"]
    assert [one.name for one in audience.distinct(frozenset({audiences.GROUPS}))] == ["c0", "c1"]
    assert audience.distinct(frozenset({inputs.NAME})) == FLEET


def test_what_is_remembered_is_bounded() -> None:
    audience = audiences.Audience(FLEET)
    for number in range(audiences.AUDIENCES_MAX + 1):
        audience.distinct(frozenset({f"vars.{number}"}))

    assert [one.name for one in audience.distinct(frozenset({"vars.x"}))] == ["c0", "c1"]


@given(
    st.none() | st.lists(TARGETS, max_size=2).map(tuple),
    st.lists(TARGETS, max_size=2),
    st.lists(VARIANTS, max_size=2).map(tuple),
)
def test_whoever_is_alike_is_placed_alike(
    targets: tuple[selectors.Target, ...] | None,
    choices: list[selectors.Target],
    variants: tuple[catalogs.Variant, ...],
) -> None:
    entry = catalogs.Entry(
        bundle=ids.BundleId("shop/a"),
        path="a",
        tree="",
        targets=targets,
        choices=tuple(catalogs.Choice(target) for target in choices),
        variants=variants,
    )
    asked = placements.asked(entry, variants)
    kinds = {audiences.answers(asked)(of): placements.place(entry, of) for of in FLEET}

    assert [placements.place(entry, of) for of in FLEET] == [kinds[audiences.answers(asked)(of)] for of in FLEET]
    everybody = next((of for of in FLEET if (found := placements.place(entry, of)) and found.variant is None), None)
    found = placements.unrendered(entry, audiences.Audience(FLEET))
    assert (found is None) == (everybody is None)
