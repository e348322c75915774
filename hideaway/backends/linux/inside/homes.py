"""Where what runs for a user in a host is at home: the host's network, its own name, and a root of its own.

That root shows the machine's files and keeps what is written for itself, in memory: a user who installs packages or
empties a folder in an Instance does so to the Instance. It is made when it is first needed and goes with the host. It
is no prison for root: processes of the world see each other.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence

from . import namespaces

FOLDER = "/run/homes"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETTLED = 'test -z "$0" || hostname "$0"; cd /root 2> /dev/null; umask 022; exec "$@"'
KERNELS = ("/proc", "/sys", "/dev", "/run")
"""Places that are the kernel's, or the world's: each root gets its own."""
SCRATCH = ("/root", "/var/log", "/var/tmp", "/srv", "/mnt")
"""What can be written to on machines that know no layers."""
DEEPEST = 2
"""Levels of folders that are gone through for those that can have a layer."""
COPIED = 1 << 20
"""Bytes of a file that is copied where it can have no layer over it; a larger one is shown as it is."""
DEEP = {"/": 1, "/etc": 6, "/var": 3, "/usr": 1, "/usr/local": 3, "/opt": 2, "/srv": 2}
"""Folders that users write to, and how deep."""
SETTINGS = "/etc/"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
SECRETS = (
    ".ssh", ".aws", ".azure", ".config", ".docker", ".gnupg", ".kube", ".netrc", ".git-credentials", ".pgpass",
    ".my.cnf", ".bash_history", ".python_history",
)  # fmt: skip
"""What no host shows of the machine's users' homes."""
hidden: list[str] = []
"""More places of the machine that no host shows: the attendant adds the cloud's own."""
QUIET = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC


def home(namespace: str) -> str:
    """The root of a host's own, made now where it is not there yet. Raises OSError."""
    base = os.path.join(FOLDER, namespace)
    root, done = os.path.join(base, "root"), os.path.join(base, "done")
    if os.path.exists(done):
        return root
    leave(namespace)  # what another attendant was at when it died
    os.makedirs(base, 0o755, exist_ok=True)
    namespaces.mount("tmpfs", base, "tmpfs", data="mode=0755")
    os.mkdir(root, 0o755)
    _Layers(base, root).lay()
    _furnish(namespace, root)
    _hide(root)
    os.close(os.open(done, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return root


def leave(namespace: str) -> None:
    """Let a host's root go, once nothing runs there any more. Does nothing where there is none."""
    base = os.path.join(FOLDER, namespace)
    with contextlib.suppress(OSError):
        namespaces.detach(base)  # and all that is mounted below
    with contextlib.suppress(OSError):
        os.rmdir(base)


def environment(user: str, shell: str) -> dict[str, str]:
    """What a program starts with, as after a login."""
    return {"HOME": "/root", "USER": user, "LOGNAME": user, "SHELL": shell, "PATH": PATH, "LANG": "C.UTF-8"}


def entered(namespace: str, hostname: str, variables: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """A command line that runs a command in a host, at home. hostname "" leaves the name as it is."""
    root = home(namespace)
    into = ["nsenter", f"--net={namespaces.path(namespace)}", f"--root={root}", f"--wd={root}", "--"]
    named = ["unshare", "--uts", "--", "sh", "-c", SETTLED, hostname]
    clean = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    return [*into, *named, *clean, *command]


class _Layers:
    """A root made of the machine's files, each folder with a layer over it that takes what is written."""

    def __init__(self, base: str, root: str):
        self._base, self._root = base, root
        self._alien = os.stat("/").st_uid != os.geteuid()  # the machine's files are another root's
        self._numbers = itertools.count()

    def lay(self) -> None:
        """One layer over all; where an ordinary user may not have that, one over each folder that can have one."""
        try:
            self._over("/", self._root)
        except OSError:
            if self._knows_layers():
                self._grow("/", DEEPEST)
            else:
                self._show_all()
        else:
            for place in _places():
                with contextlib.suppress(OSError):
                    self._beside(place)

    def _knows_layers(self) -> bool:
        """Whether this machine has any at all."""
        empty, trial = (os.path.join(self._base, name) for name in ("empty", "trial"))
        try:
            for folder in (empty, trial):
                os.mkdir(folder, 0o755)
            self._over(empty, trial)
            namespaces.detach(trial)
        except OSError:
            return False
        return True

    def _show_all(self) -> None:
        """The machine's files, not to be written but for a few folders, which are empty."""
        _show("/", self._root)
        for folder in SCRATCH:
            with contextlib.suppress(OSError):
                namespaces.mount("tmpfs", self._root + folder, "tmpfs", flags=namespaces.MS_NOSUID)

    def _over(self, lower: str, target: str) -> None:
        """A layer over a folder. Raises OSError where there can be none: where the kernel would show what lies below
        another mount, and on machines that know no such layers."""
        number = next(self._numbers)
        upper, work = (os.path.join(self._base, f"{part}{number}") for part in ("upper", "work"))
        os.mkdir(upper, stat.S_IMODE(os.stat(lower).st_mode))
        os.mkdir(work, 0o700)
        own = _folders() + lower if self._alien else ""
        below = f"{own}:{_escaped(lower)}" if own and os.path.isdir(own) else _escaped(lower)
        options = f"lowerdir={below},upperdir={upper},workdir={work}"
        try:
            namespaces.mount("overlay", target, "overlay", data=f"{options},userxattr")
        except OSError:  # older kernels, which do not know what an ordinary user needs
            namespaces.mount("overlay", target, "overlay", data=options)

    def _grow(self, folder: str, depth: int) -> None:
        """Folder by folder; below one that can have no layer, so many levels down."""
        for entry in os.scandir(folder):
            target = self._root + entry.path
            with contextlib.suppress(OSError):
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target)
                elif entry.is_dir():
                    os.mkdir(target, 0o755)
                    if entry.path not in KERNELS:
                        self._folder(entry.path, depth)
                elif entry.stat().st_size <= COPIED:
                    shutil.copy(entry.path, target)
                else:
                    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
                    _show(entry.path, target)

    def _folder(self, folder: str, depth: int) -> None:
        try:
            self._over(folder, self._root + folder)
        except OSError:
            if depth:
                self._grow(folder, depth - 1)
            else:
                _show(folder, self._root + folder)

    def _beside(self, place: str) -> None:
        """What is mounted on the machine is there too, as far as it can be."""
        if os.path.isdir(place):
            self._folder(place, 0)
        else:
            _show(place, self._root + place)


def _show(place: str, target: str) -> None:
    """The machine's files, not to be written."""
    namespaces.mount(place, target, flags=namespaces.MS_BIND | namespaces.MS_REC)
    namespaces.protect(target)


def _places() -> list[str]:
    """Where else the machine's files are mounted, outermost first."""
    found: dict[str, None] = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            place = line.split()[4].encode().decode("unicode_escape")
            inner = any(place == each or place.startswith(f"{each}/") for each in KERNELS)
            if place != "/" and not inner:
                found[place] = None
    return sorted(found, key=lambda place: place.count("/"))


def _folders() -> str:
    """A layer of folders, with files in /etc only, for a root that is not the machine's: it owns these, and so writes
    to them."""
    made = os.path.join(FOLDER, "folders")
    if not os.path.exists(made):
        new = f"{made}.{os.getpid()}"
        os.mkdir(new, 0o755)
        for folder, depth in DEEP.items():
            _imitate(folder, new, depth)
        os.rename(new, made)
    return made


def _imitate(folder: str, below: str, depth: int) -> None:
    """Make folders like a folder and those in it, so many levels down."""
    with contextlib.suppress(OSError):
        os.makedirs(below + folder, 0o755, exist_ok=True)
        os.chmod(below + folder, stat.S_IMODE(os.stat(folder).st_mode) | 0o700)
        for entry in os.scandir(folder) if depth else ():
            if entry.is_dir(follow_symlinks=False) and entry.path not in KERNELS:
                _imitate(entry.path, below, depth - 1)
            elif entry.path.startswith(SETTINGS) and entry.is_file(follow_symlinks=False):
                _copy(entry, below + entry.path)


def _copy(file: os.DirEntry[str], target: str) -> None:
    """Leave out what nobody may read, or is too large to keep."""
    with contextlib.suppress(OSError):
        if file.stat().st_size <= COPIED:
            shutil.copy(file.path, target)


def _escaped(path: str) -> str:
    """As the options of an overlay want it."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _furnish(namespace: str, root: str) -> None:
    """What a system has that starts: the kernel's own files, devices, the host's names. What cannot be is left out."""
    namespaces.mount("/proc", f"{root}/proc", flags=namespaces.MS_BIND | namespaces.MS_REC)
    with contextlib.suppress(OSError), namespaces.inside(namespace):  # so that it shows the host's interfaces
        namespaces.mount("sysfs", f"{root}/sys", "sysfs", flags=QUIET | namespaces.MS_RDONLY)
    namespaces.mount("tmpfs", f"{root}/dev", "tmpfs", flags=namespaces.MS_NOSUID, data="mode=0755")
    for name in DEVICES:
        with contextlib.suppress(OSError):
            os.close(os.open(f"{root}/dev/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
            namespaces.mount(f"/dev/{name}", f"{root}/dev/{name}", flags=namespaces.MS_BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{root}/dev/{name}", 0o1777)
        os.chmod(f"{root}/dev/{name}", 0o1777)
    with contextlib.suppress(OSError):
        namespaces.mount("/dev/pts", f"{root}/dev/pts", flags=namespaces.MS_BIND)
    for name, target in LINKS:
        os.symlink(target, f"{root}/dev/{name}")
    namespaces.mount("tmpfs", f"{root}/run", "tmpfs", flags=namespaces.MS_NOSUID, data="mode=0755")
    if not os.access("/root", os.W_OK | os.X_OK):  # it is another root's
        namespaces.mount("tmpfs", f"{root}/root", "tmpfs", flags=namespaces.MS_NOSUID, data="mode=0700")
    for file in _own_files(namespace):
        with contextlib.suppress(OSError):
            _replace(file, f"{root}/etc/{os.path.basename(file)}")


def _hide(root: str) -> None:
    """Show nothing of what is nobody's business in a host, as far as it is there. What root can do in a host of a world
    of root's, it can do all the same."""
    users = {"/root", os.environ.get("HOME", "/root")}
    for place in (*(os.path.join(user, name) for user in users for name in SECRETS), *hidden):
        target = root + os.path.realpath(place)
        with contextlib.suppress(OSError):
            if os.path.isdir(target):
                namespaces.mount("tmpfs", target, "tmpfs", flags=namespaces.MS_NOSUID, data="mode=0700")
            elif os.path.exists(target):
                namespaces.mount("/dev/null", target, flags=namespaces.MS_BIND)


def _own_files(namespace: str) -> Iterator[str]:
    folder = os.path.join(namespaces.FURNITURE, namespace)
    with contextlib.suppress(FileNotFoundError):
        yield from (os.path.join(folder, name) for name in os.listdir(folder))


def _replace(source: str, target: str) -> None:
    """Show a file in another's place, whatever that is: on many machines a link."""
    if os.path.islink(target):
        os.unlink(target)
    if not os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    namespaces.mount(source, target, flags=namespaces.MS_BIND)
