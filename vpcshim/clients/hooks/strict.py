"""`--strict`: a call that fails ends the script, even where the script would go on."""

from __future__ import annotations

from vpcshim.clients.calls import Call, Hook, Result
from vpcshim.com.errors import Failure, describe_code


class Fatal(BaseException):
    """A call failed under `--strict`. No `Exception`: a script's own `except Exception` does not hold it up."""

    def __init__(self, call: Call, failure: Failure) -> None:
        self.call = call
        self.failure = failure
        what = f"{call.interface}.{call.name}" if call.interface else call.name
        super().__init__(f"{what}: {describe_code(failure.code)}: {failure.description}")


class Strict(Hook):
    """Raises `Fatal` at the first call that fails, and again at every call of a script that went on nevertheless.

    Attributes:
        fatal: What ended the script; None while nothing has.
    """

    def __init__(self) -> None:
        self.fatal: Fatal | None = None

    def answer(self, call: Call) -> Result | None:
        """Nothing more is answered after the failure: Python's bare `except:` takes even what is no `Exception`."""
        if self.fatal is not None:
            raise self.fatal
        return None

    def ended(self, call: Call, result: Result) -> None:
        """End the script if the call failed."""
        if result.failure is None:
            return
        if self.fatal is None:
            self.fatal = Fatal(call, result.failure)
        raise self.fatal
