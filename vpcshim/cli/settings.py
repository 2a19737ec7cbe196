"""The options that say which servers are meant and how counters are read, before or after the command's name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.parse import unquote, urlsplit

import click

from vpcshim.cli import logs
from vpcshim.cli.errors import Refused

if TYPE_CHECKING:
    from vpcshim.model.options import ConnectionOptions

F = TypeVar("F", bound=Callable[..., Any])


_LONGEST = 86400.0  # the model's limit too: a day


def seconds_from(least: float) -> Callable[[click.Context, click.Parameter, float | None], float | None]:
    """The callback of an option that takes a number of seconds, of a day at most."""

    def checked(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
        if value is not None and not least <= value <= _LONGEST:
            raise click.BadParameter(f"{value:g} is not a number of seconds from {least:g} to {_LONGEST:.0f}.")
        return value

    return checked


@dataclass(frozen=True)
class Settings:
    """What the connection options say; None and () where they say nothing."""

    connect: tuple[str, ...] = ()
    timeout: float | None = None
    unreadable_nics: Literal["error", "skip"] | None = None
    raw_counters: bool = False
    verbose: bool = False

    def with_defaults_of(self, outer: Settings) -> Settings:
        """These settings (of the command), completed by those given before the command's name."""
        return Settings(
            outer.connect + self.connect,
            self.timeout if self.timeout is not None else outer.timeout,
            self.unreadable_nics or outer.unreadable_nics,
            self.raw_counters or outer.raw_counters,
            self.verbose or outer.verbose,
        )

    def servers(self) -> list[ConnectionOptions]:
        """The options of each server meant, in order and without repetitions.

        Raises:
            Refused: A server's name cannot be one.
        """
        from vpcshim.hypervisor.connection import DEFAULT_TIMEOUT
        from vpcshim.model.options import ConnectionOptions

        timeout = DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        nics = self.unreadable_nics or "error"
        named = [ConnectionOptions(uri, nics, self.raw_counters, timeout) for uri in self.connect or (None,)]
        servers = [*dict.fromkeys(replace(one, uri=one.server()) for one in named)]
        for uri in (*self.connect, *(one.uri for one in servers)):
            _check(uri)
        return servers


def _check(uri: str | None) -> None:
    """Refuse what libvirt would take for something else, or print a line of its own about."""
    if uri is None:
        return
    if not uri.strip():
        raise Refused("--connect needs a libvirt URI, an alias or a host name, not an empty text")
    parts = urlsplit(uri) if uri.startswith("test:///") else None
    if parts is not None and parts.path != "/default" and not Path(unquote(parts.path)).is_file():
        # The test driver runs in this process, and its XML parser reports a missing file to stderr itself.
        raise Refused(f"cannot connect to {uri}: there is no file {unquote(parts.path)}")


def connection_options(function: F) -> F:
    """Give a command the options of servers and of counters; it receives them as `settings`."""
    return _given((*_SERVERS, *_COUNTERS, _VERBOSE), function)


def server_options(function: F) -> F:
    """The same for a command that reads no counters."""
    return _given((*_SERVERS, _VERBOSE), function)


def _given(options: Sequence[Callable[[Any], Any]], function: F) -> F:
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        connect: tuple[str, ...],
        timeout: float | None,
        verbose: bool,
        unreadable_nics: Literal["error", "skip"] | None = None,
        raw_counters: bool = False,
        **kwargs: Any,
    ) -> Any:
        mine = Settings(connect, timeout, unreadable_nics, raw_counters, verbose)
        outer = click.get_current_context().obj
        settings = mine.with_defaults_of(outer) if isinstance(outer, Settings) else mine
        logs.set_up(settings.verbose)
        return function(*args, settings=settings, **kwargs)

    for option in reversed(options):
        wrapper = option(wrapper)
    return cast(F, wrapper)


def drive_option(whose: str) -> Callable[[F], F]:
    """Give a command the drive letters of a script's or a program's paths; it receives them as `drives`."""
    return click.option(
        "--drive",
        "drives",
        multiple=True,
        metavar="LETTER:=FOLDER",
        help=f"The folder that a drive letter of the {whose}'s paths stands for. Repeat it. "
        "Default: $VPCSHIM_DRIVES.",
    )


_SERVERS = (
    click.option(
        "-c",
        "--connect",
        multiple=True,
        metavar="URI",
        help="The libvirt server: a URI, an alias of libvirt.conf, or a host name (qemu+ssh). Repeat it for "
        "several servers. Default: $VPCSHIM_URI, else libvirt's own.",
    ),
    click.option(
        "--timeout",
        type=float,
        callback=seconds_from(1),
        metavar="SECONDS",
        help="Give up a server that does not answer after this long (1 to 86400; default 6).",
    ),
)
_COUNTERS = (
    click.option(
        "--unreadable-nics",
        type=click.Choice(["error", "skip"]),
        help="A NIC without counters makes the machine's sum an error (default), or is left out of it.",
    ),
    click.option(
        "--raw-counters",
        is_flag=True,
        help="libvirt's counters as they are: do not start at zero when a machine is reset.",
    ),
)
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Log what is done to stderr.")
