"""`flotilla hub` that cannot start says which of its doors is the matter."""

import pathlib
import socket

import pytest

from controller.cli import hub

pytestmark = pytest.mark.nats


def test_a_port_of_the_api_that_is_taken_is_told(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code = hub.main(["--state-dir", str(tmp_path), "--port", port, "--nats-port", "-1"])

    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 1
    assert said == (
        f"flotilla hub: HTTP API 127.0.0.1:{port}: cannot be listened on (Address already in use);"
        " --listen and --port choose another address"
    )


@pytest.mark.parametrize("proxies", ["10.0.0.1/24", "proxy.example.com", "10.0.0.1,10.0.0.2"])
def test_what_is_no_proxy_s_address_is_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], proxies: str
) -> None:
    code = hub.main(["--state-dir", str(tmp_path), "--trusted-proxies", proxies])

    assert (code, capsys.readouterr().err.startswith("flotilla hub: --trusted-proxies: ")) == (2, True)
