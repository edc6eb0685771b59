"""What the machine lacks or refuses, told by its own words: no file that was at hand is to blame for it.

The system says so by an error number, Python by ``MemoryError``. PyTorch, OpenCV, Pillow and the loader of libraries
put it into words of their own, in errors of types that they raise for other things as well.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import socket
import ssl
import textwrap
from collections.abc import Iterator

from backbones.errors import MachineError, UserError

LONGEST = 160  # characters of a library's own words
FEW, LITTLE = 4, 2**22  # descriptors, and bytes of memory, that nothing works without
AROUND = 40  # characters before and behind one that cannot be written
# Error numbers that are about a name or about what a file holds. Every other one is the machine's.
_OF_FILES = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EINVAL, errno.EBADF, errno.ESPIPE, errno.ENXIO, errno.EPIPE, errno.EOVERFLOW, errno.EILSEQ, errno.ERANGE),
)
# What is used up, or fails, tells why later errors came, even those that were not raised from it.
_USED_UP = (
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE),
)
_MEMORY = "free some, allow more (ulimit -v, the limit of a container or of a job), or ask for less at once"
_FILES = "allow more (ulimit -n 4096), or use fewer loader processes (--workers)"
_PROCESSES = (
    "allow more processes and threads (ulimit -u, the limit of a container or of a job), free memory, or use fewer "
    "loader processes (--workers)"
)
_PERMISSIONS = "check its permissions"
_SHORTER = "give a shorter name"
_NETWORK = "check the connection"
_OTHERWISE = "check disk and permissions"
_REMEDIES = {
    **{errno.ENOMEM: _MEMORY, errno.EMFILE: _FILES, errno.ENFILE: _FILES, errno.EAGAIN: _PROCESSES},
    **{errno.EACCES: _PERMISSIONS, errno.EPERM: _PERMISSIONS, errno.ENAMETOOLONG: _SHORTER},
    **dict.fromkeys((errno.ECONNREFUSED, errno.ECONNRESET, errno.ENETUNREACH, errno.EHOSTUNREACH), _NETWORK),
    **{errno.ELOOP: "its links lead in a circle", errno.ENOTDIR: "a file is where a folder should be"},
}
# Of errors that carry no number.
_WORDS = {
    **dict.fromkeys(("allocate memory", "out of memory", "Out of memory", "not enough memory"), errno.ENOMEM),
    **dict.fromkeys(("Insufficient memory", "bad_alloc", "failed to map segment"), errno.ENOMEM),
    "items of ancdata": errno.EMFILE,  # of a descriptor that was sent to a process without room for it
    "can't start new thread": errno.EAGAIN,
    **{
        os.strerror(code): code
        for code in (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
    },
}


# oneDNN's words for it; those about a "primitive descriptor" are of what it cannot do.
_PRIMITIVE = re.compile(r"could not (create|execute) a (primitive|memory)(?! descriptor)")
_NUMBER = re.compile(r"\[Errno (\d+)\]")


def lack_behind(error: BaseException) -> int | None:
    """The error number of what the machine refused, if an error, or one that led to it, comes of that; else None."""
    for each, by_chance in _led_to(error):
        code = _lack(each)
        if code is not None and (not by_chance or code in _USED_UP):
            return code
    return None


def led_to(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then what it was raised from or while handling, back to the first."""
    return (each for each, _ in _led_to(error))


def _led_to(error: BaseException | None) -> Iterator[tuple[BaseException, bool]]:
    """The same, each with whether what came after it was only raised while it was handled, and not from it."""
    seen: set[int] = set()
    by_chance = False
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error, by_chance
        by_chance = by_chance or error.__cause__ is None
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that led to it, is that there was not enough memory, of the host or of a GPU."""
    return lack_behind(error) == errno.ENOMEM


def remedy_of(code: int | None) -> str:
    """What to do about an error number of the system."""
    return _REMEDIES.get(code, _OTHERWISE) if code is not None else _OTHERWISE


def describe_lack(code: int) -> str:
    """The system's words for an error number, and what to do about it."""
    return f"{os.strerror(code)}; {remedy_of(code)}"


def blame_machine(error: BaseException, what: str) -> None:
    """See that an error over a file is the file's.

    Args:
        error: What was raised.
        what: What could not be done, with the name of the file.

    Raises:
        MachineError: It is the machine's: some resource is used up, a disk fails, a permission is missing.
    """
    code = lack_behind(error)
    if code is not None:
        raise MachineError(f"{what}: {describe_lack(code)}") from None


def told(error: BaseException) -> UserError | None:
    """What to tell, in one line, of an error that nobody has caught: None if it is a defect of the program."""
    code = lack_behind(error)
    if code is None and (problem := _told_of_name(error)):
        return problem
    if code is None and (code := _shortage()) is None:
        return None
    words = os.strerror(code)
    said = textwrap.shorten(str(error) or type(error).__name__, LONGEST, placeholder=" …")
    if isinstance(error, OSError) and error.filename is not None:
        words = f"{os.fsdecode(error.filename)}: {words}"
    elif words not in said:
        words = f"{words} ({said})"
    return MachineError(f"{words}; {remedy_of(code)}")


def _shortage() -> int | None:
    """What there is not enough of now: a library may have passed over that, and failed later at what it then missed."""
    try:
        for handle in [os.open(os.devnull, os.O_RDONLY) for _ in range(FEW)]:
            os.close(handle)
        mmap.mmap(-1, LITTLE).close()
    except (OSError, MemoryError) as error:
        return lack_behind(error)
    return None


def _told_of_name(error: BaseException) -> UserError | None:
    if isinstance(error, UnicodeEncodeError):
        around = error.object[max(0, error.start - AROUND) : error.end + AROUND]
        return UserError(f"a name is not in UTF-8 and cannot be written, here: {around!r}; rename what is called so")
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is not None and error.errno in _REMEDIES:
        return UserError(f"{os.fsdecode(error.filename)}: {error.strerror}; {remedy_of(error.errno)}")
    return MachineError("the current folder is gone; change to another one") if _is_nowhere() else None


def _is_nowhere() -> bool:
    """Whether the folder in which the program works has been removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _lack(error: BaseException) -> int | None:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        if isinstance(error, (ssl.SSLError, socket.gaierror, socket.herror)):  # their numbers are not the system's
            return errno.ENETUNREACH
        return None if error.errno in _OF_FILES else error.errno
    if isinstance(error, UserError) or not isinstance(error, Exception):
        return None
    text = str(error)
    if number := _NUMBER.search(text):  # of an error that comes from another process, as text
        code = int(number[1])
        return None if code in _OF_FILES else code
    if _PRIMITIVE.search(text):
        return errno.ENOMEM
    return next((code for words, code in _WORDS.items() if words in text), None)
