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
    """Raises `Fatal` at the first call that fails."""

    def ended(self, call: Call, result: Result) -> None:
        """End the script if the call failed."""
        if result.failure is not None:
            raise Fatal(call, result.failure)
