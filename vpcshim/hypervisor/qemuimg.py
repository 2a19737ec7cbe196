"""qemu-img: the one place that runs it, to look at disk images of this machine and to make, merge and copy them.

It runs without a shell, with messages in English, JSON for what is read, and bounds on time and output. A long
operation takes a `Job`, which tells how far it is and can end it.

A format that is known should be given: left to guess, qemu-img takes a raw image for whatever its first bytes,
which the guest writes, claim it to be.

Source: the manual page of qemu-img (its JSON output is ImageInfo of QEMU's block schema).
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from vpcshim.hypervisor.imageerrors import (
    Cancelled,
    DiskFull,
    ImageBusy,
    ImageDenied,
    ImageError,
    ImageExists,
    ImageMalformed,
    ImageMissing,
    ImageReadOnly,
    ToolMissing,
)

_PROGRAM = "qemu-img"
_QUICK = 60.0  # seconds for what only reads or writes an image's header
_STALLED = (
    3600.0  # seconds without a sign of progress: one percent of a large image on a slow disk may take minutes
)
_MOST_OUTPUT = 1 << 20  # bytes of what it prints that are kept
_PROGRESS = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")


# What qemu-img's messages hold, and what that means; the first that fits.
_MEANINGS: tuple[tuple[str, type[ImageError]], ...] = (
    ("No space left on device", DiskFull),
    ("Disk quota exceeded", DiskFull),
    ("No such file or directory", ImageMissing),
    ("Read-only file system", ImageReadOnly),
    ("Permission denied", ImageDenied),
    ("Operation not permitted", ImageDenied),
    ("Image is not in ", ImageMalformed),
    (" lock", ImageBusy),  # Failed to get "write" lock; Is another process using the image?
)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image's header says.

    Attributes:
        path: The image.
        format: raw, qcow2, vpc (.vhd), vhdx, ...
        virtual_size: The size of the disk that it holds, in bytes.
        actual_size: What the file takes on the host's disk, in bytes.
        backing: The backing file as the header has it; None without one.
        backing_path: The same as an absolute path, where qemu-img can tell.
        backing_format: The format that the header gives for it.
        cluster_size: Bytes of a cluster (qcow2) or block (vhdx); None for formats without.
        dirty: Whether it was not closed properly.
        specific: What the format adds, by QEMU's names.
    """

    path: Path
    format: str
    virtual_size: int
    actual_size: int
    backing: str | None = None
    backing_path: Path | None = None
    backing_format: str | None = None
    cluster_size: int | None = None
    dirty: bool = False
    specific: Mapping[str, Any] = field(default_factory=dict)


class Job:
    """A long operation: how far it is, and the way to end it. It serves one operation at a time.

    Attributes:
        percent: How far the present operation is, 0..100.
        cancelled: Whether `cancel` was called.
    """

    def __init__(self, progress: Callable[[float], None] | None = None) -> None:
        """Begin at 0 percent; `progress` is called with each percentage in the thread that runs the operation."""
        self.percent = 0.0
        self.cancelled = False
        self._told = progress
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def cancel(self) -> None:
        """End the operation, from any thread: it fails with `Cancelled`. What it was writing is left incomplete."""
        with self._lock:
            self.cancelled = True
            self._end()

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def _runs(self, process: subprocess.Popen[bytes] | None) -> None:
        with self._lock:
            self._process = process
            if self.cancelled:
                self._end()

    def reached(self, percent: float) -> None:
        """Take it that the operation is so far."""
        self.percent = percent
        if self._told is not None:
            self._told(percent)


def info(path: Path, *, format: str | None = None) -> ImageInfo:
    """Read an image's header; also of an image that is in use. Its backing file is not opened.

    Args:
        path: The image, as an absolute path.
        format: Its format; None guesses, which is for images that no guest can have written.

    Raises:
        ImageError: It cannot be read, or is none.
    """
    guess = () if format is None else ("-f", format)
    text = _run(["info", "--output=json", "-U", *guess, _path(path)])
    try:
        read = json.loads(text)
        backing = read.get("full-backing-filename")
        return ImageInfo(
            path=path,
            format=str(read["format"]),
            virtual_size=int(read["virtual-size"]),
            actual_size=int(read.get("actual-size", 0)),
            backing=read.get("backing-filename"),
            backing_path=Path(backing) if isinstance(backing, str) and backing.startswith("/") else None,
            backing_format=read.get("backing-filename-format"),
            cluster_size=read.get("cluster-size"),
            dirty=bool(read.get("dirty-flag", False)),
            specific=(read.get("format-specific") or {}).get("data") or {},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(f"{_PROGRAM} info said of {path} what vpcshim does not understand: {error}") from error


def create(
    path: Path,
    *,
    format: str,
    size: int | None = None,
    backing: Path | None = None,
    backing_format: str | None = None,
    options: Mapping[str, str] | None = None,
    job: Job | None = None,
    lend: Sequence[int] = (),
) -> None:
    """Make an image; never in the place of a file that is there.

    Args:
        path: Where, as an absolute path.
        format: Its format.
        size: The size of the disk in bytes; None takes the backing file's.
        backing: The image that it lies over, kept in its header as this absolute path.
        backing_format: The format of that.
        options: Options of the format (`subformat`, `cluster_size`, ...).
        job: Where a long creation (a preallocated image) tells how far it is; it has no percentage.
        lend: Open files that qemu-img holds open with us: a lock on one of them lasts as long as either lives.

    Raises:
        ImageExists: There is a file of that name.
        ImageError: It cannot be made; nothing of it is left then.
    """
    _reserve(path)
    command = ["create", "-q", "-f", format]
    if backing is not None:
        if backing_format is None:
            raise ValueError("a backing file needs its format: it is never guessed")
        command += ["-b", _path(backing), "-F", backing_format]
    command += _options(options)
    command.append(_path(path))
    if size is not None:
        command.append(str(size))
    try:
        _run(command, limit=_QUICK if job is None else _STALLED, job=job, lend=lend)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def commit(path: Path, *, format: str = "qcow2", job: Job | None = None, lend: Sequence[int] = ()) -> None:
    """Write what an overlay holds into its backing file; the overlay keeps it too, so that it may be done again.

    Ended half-way, the backing file by itself holds neither the old disk nor the new one; seen through the overlay
    it is still the new one, and committing it again completes it. `lend` is as in `create`.

    Raises:
        ImageError: It failed, or was cancelled.
    """
    _run(["commit", "-p", "-d", "-f", format, _path(path)], limit=_STALLED, job=job or Job(), lend=lend)


def convert(
    source: Path,
    target: Path,
    *,
    source_format: str,
    format: str,
    options: Mapping[str, str] | None = None,
    job: Job | None = None,
) -> None:
    """Copy a disk, with all of its backing files, to a new image; never in the place of a file that is there.

    Raises:
        ImageExists: There is a file of that name.
        ImageError: It failed or was cancelled; nothing of the target is left then.
    """
    _reserve(target)
    command = ["convert", "-p", "-f", source_format, "-O", format]
    command += _options(options)
    try:
        _run([*command, _path(source), _path(target)], limit=_STALLED, job=job or Job())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def rebase(path: Path, backing: Path | None, backing_format: str | None, *, format: str = "qcow2") -> None:
    """Change what an overlay's header names as its backing file, and nothing else.

    The disk is the same only if the new backing file holds what the old one did.

    Raises:
        ImageError: It failed.
    """
    of = [] if backing is None else ["-F", backing_format or "raw"]
    name = "" if backing is None else _path(backing)
    _run(["rebase", "-q", "-u", "-f", format, *of, "-b", name, _path(path)])


def same(first: Path, first_format: str, second: Path, second_format: str, *, job: Job | None = None) -> bool:
    """Whether two images hold the same disk, each with all of its backing files.

    Raises:
        ImageError: One cannot be read.
    """
    command = ["compare", "-p", "-U", "-f", first_format, "-F", second_format, _path(first), _path(second)]
    return _finished(command, _STALLED, job or Job(), fine=(0, 1))[0] == 0


def _reserve(path: Path) -> None:
    """Take the name for an image that is to be made: qemu-img itself would replace a file of that name."""
    try:
        os.close(os.open(_path(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise os_failure(error, f"{path} cannot be made") from error


def hand_over(path: Path, user: int, group: int, mode: int) -> None:
    """Give an image that was just made to its owner.

    Not by its name: who may write its folder could put a link to any other file there, which would be his then.

    Raises:
        OSError: The system refused, or something else stands there by now.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise FileExistsError(errno.EEXIST, "something else was put in its place", str(path))
        if (found.st_uid, found.st_gid) != (user, group):
            os.fchown(fd, user, group)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _options(options: Mapping[str, str] | None) -> list[str]:
    if not options:
        return []
    return ["-o", ",".join(f"{key}={value.replace(',', ',,')}" for key, value in options.items())]


def os_failure(error: OSError, what: str) -> ImageError:
    """The failure of a file operation on an image, told apart as those of qemu-img are."""
    kind: type[ImageError] = ImageError
    if isinstance(error, FileExistsError):
        kind = ImageExists
    elif error.strerror:
        kind = _meaning(error.strerror)
    return kind(f"{what}: {error.strerror or error}")


def _path(path: Path) -> str:
    """The path as an argument: absolute, so that it is neither an option nor a protocol of QEMU's."""
    text = str(path)
    if not text.startswith("/"):
        raise ValueError(f"an image is named by an absolute path, not {text!r}")
    return text


def _meaning(text: str) -> type[ImageError]:
    return next((kind for part, kind in _MEANINGS if part in text), ImageError)


def _run(
    arguments: Sequence[str], *, limit: float = _QUICK, job: Job | None = None, lend: Sequence[int] = ()
) -> bytes:
    return _finished(arguments, limit, job, fine=(0,), lend=lend)[1]


def _finished(
    arguments: Sequence[str],
    limit: float,
    job: Job | None,
    *,
    fine: tuple[int, ...],
    lend: Sequence[int] = (),
) -> tuple[int, bytes]:
    """Run it to its end; its exit code, which is one of `fine`, and what it printed.

    Args:
        arguments: What follows the program's name.
        limit: Seconds without any output after which it is ended.
        job: Who is told of its progress, and may end it.
        fine: The exit codes that are no failure.
        lend: As in `create`.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise ToolMissing(f"{_PROGRAM} is not installed on this machine (Debian: apt install qemu-utils)")
    process = subprocess.Popen(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        pass_fds=tuple(lend),
    )
    watch = _Watch(process, limit)
    try:
        if job is not None:
            job._runs(process)
        said = _Reader(process.stderr, watch, None)
        said.start()
        printed = _Reader(process.stdout, watch, job)
        printed.run()
        said.join()
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        watch.stop()
        if job is not None:
            job._runs(None)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    if code in fine:
        return code, printed.text
    words = said.text.decode(errors="replace").strip().removeprefix(f"{_PROGRAM}: ")
    told = f"{_PROGRAM} {arguments[0]} {arguments[-1]}"
    if job is not None and job.cancelled:
        raise Cancelled(f"{told} was cancelled")
    if watch.expired:
        raise ImageError(f"{told} gave no sign for {limit:g} seconds and was ended")
    raise _meaning(words)(f"{told}: {words or f'ended with {code}'}")


class _Reader(threading.Thread):
    """Reads one of its streams to the end, and keeps the beginning."""

    def __init__(self, stream: IO[bytes] | None, watch: _Watch, job: Job | None) -> None:
        super().__init__(name="vpcshim-qemu-img", daemon=True)
        assert stream is not None
        self._stream = stream
        self._watch = watch
        self._job = job
        self.text = b""

    def run(self) -> None:
        """Read; also called without starting a thread."""
        while part := os.read(self._stream.fileno(), 65536):
            self._watch.alive()
            self.text += part[: _MOST_OUTPUT - len(self.text)]
            found = _PROGRESS.findall(part)
            if found and self._job is not None:
                self._job.reached(float(found[-1]))


class _Watch:
    """Kills the process when it gave no sign for too long."""

    def __init__(self, process: subprocess.Popen[bytes], limit: float) -> None:
        self.expired = False
        self._process = process
        self._limit = limit
        self._last = time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._run, name="vpcshim-qemu-img-watch", daemon=True).start()

    def alive(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(max(0.05, self._last + self._limit - time.monotonic())):
            if time.monotonic() - self._last >= self._limit:
                self.expired = True
                self._process.kill()
                return
