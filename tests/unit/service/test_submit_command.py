"""`aggpose submit`: its options are the parameters that jobs are asked for with."""

import pytest
from click.testing import CliRunner

from service import submit_command
from service.client_errors import ClientError
from service.jobs import JobParameters
from service.submitting import Order
from workers.cli import app


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--skeleton"], {}),
        (["--no-skeleton"], {"skeleton": False}),
        (["--names", "--cutoff-hz", "4"], {"names": True, "cutoff_hz": 4.0}),
        (
            [
                "--no-skeleton",
                "--names",
                "--window",
                "32",
                "--detect-every",
                "8",
                "--cover",
                "solid",
            ],
            {"skeleton": False, "names": True, "window": 32, "detect_every": 8, "cover": "solid"},
        ),
    ],
)
def test_only_what_was_said_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: dict[str, object]
) -> None:
    orders: list[Order] = []

    class Refused:
        def __init__(self, _client: object, order: Order, **_: object) -> None:
            orders.append(order)

        def start(self, _video: object) -> None:
            raise ClientError("that is all", "server.none")

    monkeypatch.setattr(submit_command, "Submission", Refused)
    result = CliRunner().invoke(app, ["submit", "f.mp4", *words], env={"AGGPOSE_API_KEY": "key"})
    assert result.exit_code == 1, result.output
    (order,) = orders
    assert order.parameters == expected
    assert JobParameters.model_validate(order.parameters).given() == expected
