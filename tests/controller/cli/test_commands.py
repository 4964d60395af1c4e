"""The command line as a person or a script uses it: as a process, against a real HTTP server of the API."""

import datetime
import json
import pathlib
import stat

import pytest

from protocol import enrolment, ids, specs
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import sources as source_events
from protocol.events.clusters import EnrolmentOffered
from tests.controller.api import documented
from tests.controller.cli.conftest import TOKEN, Run
from tests.fixtures import hub as fixtures


async def test_a_list_is_a_table_for_people_and_json_for_programs(run: Run) -> None:
    code, table, _ = await run("cluster", "list")
    _, text, _ = await run("cluster", "list", "-o", "json")
    _, names, _ = await run("cluster", "list", "-o", "name")

    assert (code, "edge-1" in table, "NAME" in table) == (0, True, True)
    assert [(one["name"], one["labels"]) for one in json.loads(text)] == [("edge-1", {"env": "prod"})]
    assert names == "edge-1\n"


async def test_exit_codes_tell_scripts_what_went_wrong(run: Run) -> None:
    codes = {
        "refused": (await run("source", "add", "shop", fixtures.UNREACHABLE, "--all-clusters"))[0],
        "used wrongly": (await run("source", "no-such-verb"))[0],
        "no such name": (await run("cluster", "show", "nowhere"))[0],
        "unreachable": (await run("status", FLOTILLA_URL="http://127.0.0.1:9"))[0],
        "unauthorized": (another := await run("status", FLOTILLA_TOKEN="another"))[0],
        "no token": (await run("status", FLOTILLA_TOKEN=""))[0],
    }

    assert codes == {
        "refused": 1,
        "used wrongly": 2,
        "no such name": 3,
        "unreachable": 4,
        "unauthorized": 5,
        "no token": 5,
    }
    assert "flotilla login" in another[2]


async def test_a_source_whose_remote_cannot_be_reached_is_not_saved(run: Run, fleet: fixtures.Hub) -> None:
    _, _, errors = await run("source", "add", "shop", fixtures.UNREACHABLE, "--all-clusters")

    assert "cannot be reached" in errors
    assert fleet.world.sources == {}


async def test_a_source_is_added_suspended_resumed_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    words = ["shop", "https://git.example.com/shop.git", "--path", "apps/*", "--target", "env=prod"]
    added, said, _ = await run("source", "add", *words)
    outcomes = [
        added,
        (await run("source", "suspend", "shop", "--reason", "freeze"))[0],
        (await run("source", "resume", "shop"))[0],
        (await run("source", "sync", "shop"))[0],
        (await run("source", "remove", "shop"))[0],
    ]

    assert outcomes == [0, 0, 0, 0, 0]
    assert [source.removed for source in fleet.world.sources.values()] == [True]
    assert "no cluster has" not in said
    assert "shop" in fleet.woken


async def test_a_source_is_replaced_only_where_that_is_said(run: Run, fleet: fixtures.Hub) -> None:
    words = ["source", "add", "shop", "https://git.example.com/shop.git", "--target"]
    await run(*words, "env=dev")
    refused, _, why = await run(*words, "env=prod,tier=web")
    code, said, _ = await run(*words, "env=prod,tier=web", "--replace")

    assert (refused, "--replace" in why, code) == (1, True, 0)
    assert "no cluster has the labels env=prod,tier=web yet" in said
    (target,) = fleet.world.sources[ids.SourceName("shop")].spec.targets
    assert target.match_labels == {"env": "prod", "tier": "web"}


async def test_a_source_may_be_added_suspended_and_by_ssh(
    run: Run, fleet: fixtures.Hub, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "hosts").write_text("git.example.com ssh-ed25519 AAAA\n")
    words = ["shop", "git@git.example.com:shop.git", "--all-clusters", "--suspended", "--ca-file", "/ca.pem"]
    keys = ["--ssh-key-file", "/key", "--ssh-passphrase-env", "PASS", "--known-hosts", "hosts", "--token-env", "TOKEN"]

    code, said, _ = await run("source", "add", *words, *keys)

    source = fleet.world.sources[ids.SourceName("shop")]
    assert (code, source.suspended) == (0, "added suspended")
    assert "added suspended" in said
    assert source.spec.credentials == specs.GitCredentials(
        ssh_key_file="/key", ssh_passphrase_env="PASS", known_hosts="git.example.com ssh-ed25519 AAAA\n",
        password_env="TOKEN", ca_file="/ca.pem",
    )  # fmt: skip


async def test_no_secret_in_a_url_or_among_known_hosts_gets_into_the_log(
    run: Run, fleet: fixtures.Hub, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\ns3cr3t\n")
    ssh = ["source", "add", "shop", "--all-clusters"]

    outcomes = [
        await run(*ssh, "ssh://git:s3cr3t@git.example.com/shop.git"),
        await run(*ssh, "git@git.example.com:shop.git", "--known-hosts", "key"),
    ]

    assert [code for code, _, _ in outcomes] == [1, 1]
    assert "s3cr3t" not in str(outcomes)
    assert fleet.world.sources == {}


async def test_an_unrelated_history_is_accepted_by_the_commit_that_was_seen(run: Run, fleet: fixtures.Hub) -> None:
    shop, seen = ids.SourceName("shop"), "b" * 40
    await run("source", "add", "shop", "https://git.example.com/shop.git", "--all-clusters")
    before, _, refused = await run("source", "accept", "shop", "--yes")
    resolved = source_events.RevisionResolved(
        name=shop, revision=source_events.Revision(ref="main", commit=fixtures.COMMIT, tree="d" * 40),
        catalog=Digest("e" * 64), previous=NO_DIGEST, renderer="raw", bundles=1, objects=1,
    )  # fmt: skip
    await fleet.write(resolved, source_events.RollbackSeen(name=shop, commit=seen, unrelated=True))

    _, status, _ = await run("status")
    other, _, changed = await run("source", "accept", "shop", "--commit", "c" * 40)
    unasked, _, _ = await run("source", "accept", "shop")
    accepted, _, _ = await run("source", "accept", "shop", "--yes")
    again, _, _ = await run("source", "accept", "shop", "--commit", seen)

    assert (before, "no unrelated history" in refused) == (1, True)
    assert (other, seen in changed) == (1, True)
    assert f"flotilla source accept shop --commit {seen}" in status.replace("\n", "")
    assert (unasked, accepted, again) == (1, 0, 0)
    assert fleet.world.sources[shop].accepted == seen


async def test_the_key_of_a_new_cluster_is_made_here_and_kept_private(
    run: Run, fleet: fixtures.Hub, tmp_path: pathlib.Path
) -> None:
    code, _, _ = await run("cluster", "add", "edge-2", "--label", "env=dev", "--out", "edge-2.json")

    file = tmp_path / "edge-2.json"
    issued = json.loads(file.read_text())
    assert (code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert (issued["name"], issued["seed"][:2]) == ("edge-2", "SU")
    assert issued["seed"] not in str(list(fleet.world.clusters.values()))


async def test_a_new_cluster_is_told_with_the_one_command_that_lets_its_agent_in(run: Run, fleet: fixtures.Hub) -> None:
    added, text, _ = await run("cluster", "add", "edge-2", "--label", "env=dev", "--ttl", "15m", "--accept", "manual")
    wrong, _, why = await run("cluster", "token", "edge-2", "--ttl", "soon")
    odd, _, _ = await run("cluster", "token", "edge-2", "--accept", "perhaps")
    nobody, _, _ = await run("cluster", "accept", "edge-2")
    revoked, _, _ = await run("cluster", "revoke", "edge-2")

    assert [added, wrong, odd, nobody, revoked] == [0, 2, 2, 1, 0]
    assert "--ttl 'soon'" in why
    command = text.splitlines()[-1].split()
    assert command[:5] == ["flotilla", "agent", "run", "--hub", fixtures.ADDRESS.hub_url]
    cluster = next(one for one in fleet.world.clusters.values() if one.name == "edge-2")
    token = command[command.index("--token") + 1]
    offers = [one.record.event async for one in fleet.events(0) if isinstance(one.record.event, EnrolmentOffered)]
    assert [(one.token, one.manual) for one in offers] == [(enrolment.token_digest(token), True)]
    assert offers[0].expires_at == fixtures.START + datetime.timedelta(minutes=15)
    assert (cluster.labels, cluster.entry.offer) == ({"env": "dev"}, None)


async def test_labels_are_set_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    code, _, _ = await run("cluster", "label", "edge-1", "region=eu", "env-")

    assert code == 0
    assert [cluster.labels for cluster in fleet.world.clusters.values()] == [{"region": "eu"}]


async def test_annotations_and_values_are_set_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    outcomes = [
        (await run("cluster", "annotate", "edge-1", "owner=web", "contact=x"))[0],
        (await run("cluster", "annotate", "edge-1", "contact-"))[0],
        (await run("cluster", "values", "edge-1", "size=small"))[0],
        (await run("cluster", "values", "edge-1", "no spaces=x"))[0],
    ]

    assert outcomes == [0, 0, 0, 1]
    (cluster,) = fleet.world.clusters.values()
    assert (cluster.annotations, cluster.values) == ({"owner": "web"}, {"size": "small"})


async def test_documents_are_applied_and_what_they_do_not_name_stays(run: Run, tmp_path: pathlib.Path) -> None:
    (tmp_path / "group.yaml").write_text(
        "apiVersion: flotilla.gitops/v1alpha1\nkind: ClusterGroup\nmetadata: {name: eu}\n"
        "spec: {selector: {matchLabels: {region: eu}}}\n"
    )
    first = await run("apply", "-f", "group.yaml")
    second = await run("apply", "-f", "group.yaml")

    assert (first[:2], second[:2]) == ((0, "ClusterGroup/eu created\n"), (0, "ClusterGroup/eu unchanged\n"))


async def test_a_token_lets_its_holder_do_what_its_scope_says(run: Run, tmp_path: pathlib.Path) -> None:
    code, secret, _ = await run("token", "create", "ci", "--scope", "read", "--ttl", "12h")
    _, words, _ = await run("token", "create", "people", "--scope", "operate", "--out", "people.token")
    kept = (tmp_path / "people.token").stat()
    _, names, _ = await run("token", "list", "-o", "name")
    reads, _, _ = await run("status", FLOTILLA_TOKEN=secret.strip())
    steers, _, refused = await run("cluster", "suspend", "edge-1", FLOTILLA_TOKEN=secret.strip())
    revoked, _, _ = await run("token", "revoke", "ci")
    after, _, _ = await run("status", FLOTILLA_TOKEN=secret.strip())

    assert (code, names.split(), revoked) == (0, ["ci", "people"], 0)
    assert ("people.token" in words, stat.S_IMODE(kept.st_mode)) == (True, 0o600)
    assert (reads, steers, "needs operate" in refused, after) == (0, 5, True, 5)


@pytest.mark.parametrize("ttl", ["soon", "12", "-1d"])
async def test_a_time_to_live_has_a_unit(run: Run, ttl: str) -> None:
    code, _, _ = await run("token", "create", "ci", "--scope", "read", f"--ttl={ttl}")

    assert code == 2


async def test_a_hook_is_given_out_once(run: Run, fleet: fixtures.Hub, address: str) -> None:
    await fleet.resolve("shop", "web")
    code, output, _ = await run("source", "hook", "shop")
    removed, _, _ = await run("source", "hook", "shop", "--remove")
    again, _, _ = await run("source", "hook", "shop", "--remove")

    assert (code, output.split()[:3]) == (0, ["url", f"{address.rstrip('/')}/hooks/shop", "secret"])
    assert (removed, again, fleet.hooks) == (0, 3, {})


async def test_the_api_is_described_without_a_hub(run: Run) -> None:
    code, text, _ = await run("openapi")

    assert (code, json.loads(text)) == (0, documented.DOCUMENT)


async def test_a_login_is_kept_and_then_used(run: Run, address: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    code, output, _ = await run("login", address, "--token-file", "token")
    again, _, _ = await run("status", FLOTILLA_URL="", FLOTILLA_TOKEN="")

    saved = tmp_path / "config" / "flotilla" / "context.json"
    assert (code, again, stat.S_IMODE(saved.stat().st_mode)) == (0, 0, 0o600)
    assert TOKEN not in output


async def test_a_login_that_cannot_be_says_why(run: Run, address: str, tmp_path: pathlib.Path) -> None:
    missing, _, why = await run("login", address, "--token-file", "nowhere")
    (tmp_path / "token").write_text(TOKEN)
    odd, _, told = await run("login", "hub.example.com", "--token-file", "token")

    assert (missing, "nowhere: cannot be read or written (No such file or directory)" in why) == (2, True)
    assert (odd, "hub hub.example.com: not a URL (https://HOST:PORT)" in told) == (2, True)


async def test_a_mistake_is_told_in_two_lines_with_the_nearest_name(run: Run) -> None:
    _, _, command = await run("source", "ad")
    _, _, value = await run("status", "-o", "bogus")
    _, _, number = await run("events", "--after", "x")
    code, text, errors = await run("source")

    assert command == "flotilla source: no such command 'ad'. Did you mean 'add'?\nTry 'flotilla source --help'.\n"
    assert value.splitlines()[0] == (
        "flotilla status: invalid value for '--output' / '-o': "
        "'bogus' is not one of 'table', 'wide', 'json', 'yaml', 'name'"
    )
    assert number.splitlines()[0].endswith("--after': Input should be a valid integer")
    assert (code, text.splitlines()[0], errors) == (0, "Usage: flotilla source [OPTIONS] COMMAND [ARGS]...", "")


async def test_a_fleet_of_nothing_is_told_what_comes_next(run: Run, fleet: fixtures.Hub) -> None:
    _, one, _ = await run("status")
    await run("cluster", "remove", "edge-1")
    _, none, _ = await run("status")
    code, listed, told = await run("cluster", "list")

    assert ("flotilla source add" in one, "flotilla cluster add" in one) == (True, False)
    assert ("flotilla source add" in none, "flotilla cluster add" in none) == (True, True)
    assert (code, listed, told) == (0, "", "nothing to list\n")


async def test_people_see_times_to_the_second_and_programs_whole(run: Run, fleet: fixtures.Hub) -> None:
    fleet.now = fixtures.START + datetime.timedelta(microseconds=123456)
    _, table, _ = await run("status")
    _, text, _ = await run("status", "-o", "json")

    whole = json.loads(text)["asOf"]
    assert ".123456" in whole
    assert f"as of {whole.replace('.123456', '')}, event" in table
