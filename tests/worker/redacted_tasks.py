"""Tasks that do with their secrets what they should not, and a child process that does it, too."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pgqueue import Cancel, PgQueue, Retry, Snooze, current_job

app = PgQueue(redact=["*.password"])


@dataclass
class Account:
    password: str

    def __post_init__(self) -> None:
        if self.password.startswith("refused"):
            raise ValueError(f"a password like {self.password} is refused")


@app.task(redact=["card"], max_attempts=1)
async def tells(card: str) -> None:
    raise ValueError(f"card {card} was declined")


@app.task(redact=["card"], max_attempts=1)
def tells_of_a_cause(card: str) -> None:
    try:
        raise KeyError(card)
    except KeyError as error:
        error.add_note(f"the card is {card}")
        raise RuntimeError("no such card") from error


@app.task(redact=["card"], max_attempts=1)
def tells_at_length(card: str) -> None:
    raise ValueError("x" * 995 + card + "y" * 5_000 + card + "z" * 990)


@app.task(redact=["card"], max_attempts=1, run_in="process")
def tells_in_a_child(card: str) -> None:
    raise ValueError(f"card {card!r} was declined")


@app.task(redact=["card"], max_attempts=2, retry=lambda attempt, error: timedelta(0))
def tells_twice(card: str) -> None:
    if current_job().attempt == 1:
        raise Retry(f"{card} again", after=0)
    raise ValueError(card)


@app.task(redact=["card"])
def tells_why(card: str) -> None:
    raise Cancel(f"{card} was withdrawn")


@app.task(redact=["card"])
def tells_nothing(card: str) -> None:
    if current_job().checkpoint == {}:
        current_job().progress(1, checkpoint={"seen": True})
        raise Snooze(0)


@app.task(redact=["pin"], max_attempts=1)
def tells_a_number(pin: int) -> None:
    raise ValueError(f"pin {pin}")


@app.task(max_attempts=1)
def takes_an_account(account: Account) -> None: ...


@app.task(max_attempts=1)
def tells_a_password(account: dict[str, Any]) -> None:
    raise ValueError(f"{account}")
