from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from cryptography import x509

from aimx.placing.capabilities import keep
from reconcilers.host.host import Access, Nature, StepError, UnseenError
from reconcilers.host.keys import new_certificate, new_private_key
from reconcilers.host.local import LocalHost
from reconcilers.host.removal import remove_tree
from reconcilers.host.renaming import rename_after_looking
from reconcilers.host.sentences import sentence, told
from reconcilers.roots import Roots

PRIVATE = Access(0o700, os.geteuid(), os.getegid())
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    top = PurePosixPath(tmp_path)
    for name in ("etc", "data", "run"):
        Path(top / name).mkdir()
    return Roots(top / "etc", top / "data", top / "run", top / "etc/manifest.toml")


@pytest.fixture
def host(roots: Roots) -> LocalHost:
    return LocalHost(roots)


@pytest.fixture(params=[0o000, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def tree(top: PurePosixPath) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in Path(top).rglob("*"))


@pytest.mark.usefixtures("_umask")
def test_modes_do_not_depend_on_the_umask(host: LocalHost, roots: Roots) -> None:
    wanted = Access(0o751, PRIVATE.uid, PRIVATE.gid)
    deep = Roots(
        roots.config, roots.data / "above/root", roots.runtime, roots.config / "manifest.toml"
    )

    host.make_directory(roots.data / "a", wanted)
    host.replace(roots.data / "b", b"", wanted)
    host.append(roots.data / "c", b"\n", wanted)
    LocalHost(deep).make_directory(deep.data, wanted)

    modes = {name: stat.S_IMODE(os.stat(roots.data / name).st_mode) for name in ("a", "b", "c")}
    assert modes == dict.fromkeys("abc", 0o751)
    assert stat.S_IMODE(os.stat(deep.data).st_mode) == 0o751
    assert stat.S_IMODE(os.stat(deep.data.parent).st_mode) == 0o755


def test_a_root_may_be_a_link(tmp_path: Path, roots: Roots) -> None:
    (tmp_path / "disk/mail").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/mail")
    linked = Roots(roots.config, PurePosixPath(tmp_path / "link"), roots.runtime, roots.manifest)
    host = LocalHost(linked)

    host.make_directory(linked.data, PRIVATE)
    host.make_directory(linked.data / "a.com", PRIVATE)

    entry = host.look(linked.data)
    assert entry is not None
    assert entry.nature is Nature.DIRECTORY
    assert tree(PurePosixPath(tmp_path / "disk")) == ["mail", "mail/a.com"]
    assert (tmp_path / "link").is_symlink()


def test_the_innermost_of_nested_roots_is_the_anchor(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data/etc").symlink_to(tmp_path / "elsewhere")
    top = PurePosixPath(tmp_path)
    nested = Roots(top / "data/etc", top / "data", top / "run", top / "data/etc/manifest.toml")

    LocalHost(nested).replace(nested.engine_config, b"", PRIVATE)

    assert tree(top / "elsewhere") == ["config.toml"]


def test_a_manifest_elsewhere_is_the_instances_and_what_is_beside_it_is_not(
    tmp_path: Path, roots: Roots
) -> None:
    top = PurePosixPath(tmp_path)
    host = LocalHost(Roots(roots.config, roots.data, roots.runtime, top / "git/agents.toml"))
    (tmp_path / "git/agents.d").mkdir(parents=True)

    host.replace(top / "git/agents.toml", b"", PRIVATE)
    host.replace(top / "git/agents.d/a.toml", b"", PRIVATE)

    assert host.names(top / "git/agents.d") == ("a.toml",)
    with pytest.raises(StepError, match="the kernel does not permit it"):
        host.replace(top / "git/other.toml", b"", PRIVATE)


def test_a_file_elsewhere_is_read_through_links(tmp_path: Path, host: LocalHost) -> None:
    (tmp_path / "live.pem").write_bytes(b"cert")
    (tmp_path / "cert.pem").symlink_to("live.pem")
    link = PurePosixPath(tmp_path / "cert.pem")

    assert host.read(link) == b"cert"
    entry = host.look(link)
    assert entry is not None
    assert entry.nature is Nature.FILE
    assert host.look(PurePosixPath(tmp_path / "absent.pem")) is None


def test_what_is_no_file_is_not_waited_for(host: LocalHost, roots: Roots) -> None:
    os.mkfifo(roots.data / "fifo")

    with pytest.raises(UnseenError, match="a FIFO stands where a file belongs"):
        host.read(roots.data / "fifo")
    with pytest.raises(StepError, match="fifo: "):
        host.append(roots.data / "fifo", b"\n", PRIVATE)


def test_a_socket_is_something_other(
    roots: Roots, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        monkeypatch.chdir(roots.data)  # Its path may be longer than a socket's address holds.
        bound.bind("s")

    entry = host.look(roots.data / "s")
    assert entry is not None
    assert entry.nature is Nature.OTHER


def test_what_a_killed_one_left_is_taken_over(host: LocalHost, roots: Roots) -> None:
    Path(roots.data / ".a.aimx-new").mkdir()
    Path(roots.data / ".b.aimx-new").write_bytes(b"half of the old")

    host.make_directory(roots.data / "a", Access(0o755, PRIVATE.uid, PRIVATE.gid))
    host.replace(roots.data / "b", b"new", PRIVATE)

    assert tree(roots.data) == ["a", "b"]
    assert host.read(roots.data / "b") == b"new"


def test_what_a_killed_one_left_does_not_keep_a_directory(host: LocalHost, roots: Roots) -> None:
    Path(roots.data / "a/.b.aimx-new").mkdir(parents=True)
    Path(roots.data / "a/.c.aimx-new").touch()

    host.remove_directory(roots.data / "a")

    assert tree(roots.data) == []


@pytest.fixture
def _little_room() -> Iterator[None]:
    """No file of ours may grow beyond eight octets."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_little_room")
def test_a_write_that_is_cut_short_leaves_the_old(host: LocalHost, roots: Roots) -> None:
    host.replace(roots.readme, b"old", PRIVATE)

    with pytest.raises(StepError, match=r"README\.md: the file is larger than it may be"):
        host.replace(roots.readme, b"much too new", PRIVATE)

    assert tree(roots.data) == ["README.md"]
    assert host.read(roots.readme) == b"old"


@pytest.mark.usefixtures("_little_room")
def test_a_line_that_a_full_disk_cut_short_is_ended(host: LocalHost, roots: Roots) -> None:
    log = roots.data / "log"
    with pytest.raises(StepError):
        host.append(log, b"much too long\n", PRIVATE)
    os.truncate(log, 4)

    host.append(log, b"b\n", PRIVATE)

    assert host.read(log) == b"much\nb\n"


def test_a_replacement_that_fails_leaves_the_old_and_nothing_else(
    host: LocalHost, roots: Roots
) -> None:
    host.replace(roots.readme, b"old", PRIVATE)
    os.mkfifo(roots.data / "x")

    with pytest.raises(StepError):
        host.replace(roots.data, b"new", PRIVATE)
    Path(roots.data / "d").mkdir()
    with pytest.raises(StepError, match="a directory stands where a file belongs"):
        host.replace(roots.data / "d", b"new", PRIVATE)

    assert tree(roots.data) == ["README.md", "d", "x"]
    assert host.read(roots.readme) == b"old"


@pytest.mark.skipif(
    not SHARED_MEMORY.is_dir() or os.stat(SHARED_MEMORY).st_dev == os.stat("/tmp").st_dev,
    reason="needs a second file system",
)
def test_nothing_is_moved_to_another_file_system(roots: Roots) -> None:
    data = PurePosixPath(SHARED_MEMORY, f"aimx-test-{os.getpid()}")
    host = LocalHost(Roots(roots.config, data, roots.runtime, roots.manifest))
    host.make_directory(data, PRIVATE)
    try:
        host.make_directory(roots.config / "a", PRIVATE)

        with pytest.raises(StepError, match=r"is on another file system than .* never copies mail"):
            host.move(roots.config / "a", data / "a")
        assert Path(roots.config / "a").is_dir()
    finally:
        os.rmdir(data)


def test_a_move_is_refused_as_well_where_the_kernel_cannot(host: LocalHost, roots: Roots) -> None:
    for name in ("a", "b"):
        host.make_directory(roots.data / name, PRIVATE)
    directory = os.open(roots.data, os.O_RDONLY)

    with pytest.raises(FileExistsError):
        rename_after_looking("a", directory, "b", directory)
    rename_after_looking("a", directory, "c", directory)

    os.close(directory)
    assert tree(roots.data) == ["b", "c"]


def dug(top: Path, depth: int) -> None:
    """A directory in a directory, and so on, with mail in each."""
    top.mkdir()
    directory = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(os.open("mail.md", os.O_CREAT, 0o600, dir_fd=below))
        os.close(directory)
        directory = below
    os.close(directory)


def test_a_very_deep_tree_is_removed_with_few_descriptors(host: LocalHost, roots: Roots) -> None:
    dug(Path(roots.data / "a"), sys.getrecursionlimit() + 100)

    host.remove_tree(roots.data / "a")

    assert tree(roots.data) == []


def test_a_removal_follows_nobody_who_digs_without_end_and_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    dug(tmp_path / "a", 25)
    parent = os.open(tmp_path, os.O_RDONLY)

    for _ in range(2):
        with pytest.raises(StepError, match="a: is deeper"):
            remove_tree("a", parent, deepest=10)
    remove_tree("a", parent, deepest=10)

    os.close(parent)
    assert list(tmp_path.iterdir()) == []


def test_a_removal_of_a_wide_tree_is_no_deep_one(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"a/inbox/{number}").mkdir(parents=True)
    parent = os.open(tmp_path, os.O_RDONLY)

    remove_tree("a", parent, deepest=2)

    os.close(parent)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_removed_and_not_what_its_links_lead_to(
    tmp_path: Path, host: LocalHost, roots: Roots
) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/mail.md").touch()
    host.make_directory(roots.data / "a", PRIVATE)
    Path(roots.data / "a/link").symlink_to(tmp_path / "precious")

    host.remove_tree(roots.data / "a")

    assert tree(roots.data) == []
    assert (tmp_path / "precious/mail.md").exists()


def test_nothing_stays_open(host: LocalHost, roots: Roots) -> None:
    before = os.listdir("/proc/self/fd")

    host.make_directory(roots.data / "a", PRIVATE)
    host.replace(roots.data / "a/b", b"", PRIVATE)
    host.append(roots.data / "a/c", b"", PRIVATE)
    host.set_access(roots.data / "a/b", Access(0o644, PRIVATE.uid, PRIVATE.gid))
    host.move(roots.data / "a/b", roots.data / "d")
    host.link(roots.data / "d", roots.data / "e")
    host.read(roots.data / "e")
    host.look_within(roots.data, ["a", "d", "x"])
    for refused in ("README.md/x", "x/y/z"):
        with pytest.raises(StepError):
            host.make_directory(roots.data / "d" / refused, PRIVATE)
    host.remove_tree(roots.data / "a")

    assert os.listdir("/proc/self/fd") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root goes everywhere")
def test_what_may_not_be_entered_is_unseen(host: LocalHost, roots: Roots) -> None:
    Path(roots.data / "a").mkdir(mode=0)

    with pytest.raises(UnseenError, match="this user may not go there"):
        host.look(roots.data / "a/b")
    with pytest.raises(UnseenError, match="this user may not go there"):
        host.names(roots.data / "a")


@contextmanager
def _told_by_python(events: set[str]) -> Iterator[list[str]]:
    """What the interpreter is about to do."""
    told: list[str] = []
    listening = True
    # A hook stays for as long as the process.
    sys.addaudithook(lambda event, _: told.append(event) if listening and event in events else None)
    yield told
    listening = False


ANOTHER = Access(0o700, 12345, 12346)


def as_root(test: Any) -> Any:
    return pytest.mark.root(pytest.mark.skipif(os.geteuid() != 0, reason="needs root")(test))


def found(path: PurePosixPath) -> Access:
    entry = os.stat(path)
    return Access(stat.S_IMODE(entry.st_mode), entry.st_uid, entry.st_gid)


@as_root
def test_a_directory_of_one_user_is_made_as_that_user(host: LocalHost, roots: Roots) -> None:
    with _told_by_python({"os.mkdir", "os.chown", "os.chmod", "os.rename"}) as told:
        host.make_directory(roots.data / "a", ANOTHER)

    assert told == ["os.mkdir"]
    assert found(roots.data / "a") == ANOTHER


@as_root
def test_whoever_made_a_directory_as_another_is_root_again(host: LocalHost, roots: Roots) -> None:
    before = Path("/proc/thread-self/status").read_text().splitlines()[:40]

    host.make_directory(roots.data / "a", ANOTHER)
    host.make_directory(roots.data / "b", Access(0o755, 0, 0))

    after = Path("/proc/thread-self/status").read_text().splitlines()[:40]
    mine = ("Uid:", "Gid:", "Groups:", "Cap")
    assert [x for x in after if x.startswith(mine)] == [x for x in before if x.startswith(mine)]
    assert found(roots.data / "b") == Access(0o755, 0, 0)


@as_root
def test_a_directory_that_others_enter_has_its_owner_before_its_name(
    host: LocalHost, roots: Roots
) -> None:
    seen: list[tuple[str, int]] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "os.chown":
            seen.extend((name, 0) for name in os.listdir(roots.data))

    watching = True
    sys.addaudithook(watch)
    host.make_directory(roots.data / "a", Access(0o755, 12345, 12345))
    watching = False

    assert seen == [(".a.aimx-new", 0)]
    assert os.stat(roots.data / "a").st_uid == 12345


@pytest.mark.parametrize("above", [0o2755, 0o3755], ids=oct)
@as_root
def test_what_the_directory_above_passes_on_is_put_right(
    host: LocalHost, roots: Roots, above: int
) -> None:
    os.chown(roots.data, 0, 54321)
    os.chmod(roots.data, above)

    host.make_directory(roots.data / "a", ANOTHER)

    assert found(roots.data / "a") == ANOTHER


def test_a_umask_takes_nothing_from_a_directory(host: LocalHost, roots: Roots) -> None:
    before = os.umask(0o777)
    try:
        host.make_directory(roots.data / "a", PRIVATE)
    finally:
        os.umask(before)

    assert found(roots.data / "a") == PRIVATE


@as_root
def test_without_the_capability_to_write_as_another_it_is_made_and_given(
    host: LocalHost, roots: Roots
) -> None:
    child = os.fork()
    if child == 0:  # What it gives up is gone for good.
        try:
            keep((0, 3))  # CHOWN and FOWNER.
            host.make_directory(roots.data / "a", ANOTHER)
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert found(roots.data / "a") == ANOTHER


@as_root
def test_many_are_made_as_their_owner_and_we_are_root_again(host: LocalHost, roots: Roots) -> None:
    before = Path("/proc/thread-self/status").read_text().splitlines()[:40]
    places = [(roots.data, name) for name in "abc"]

    with _told_by_python({"os.mkdir", "os.chown", "os.chmod", "os.rename"}) as told:
        reasons = host.make_directories(places, ANOTHER)

    after = Path("/proc/thread-self/status").read_text().splitlines()[:40]
    mine = ("Uid:", "Gid:", "Groups:", "Cap")
    assert [x for x in after if x.startswith(mine)] == [x for x in before if x.startswith(mine)]
    assert (told, list(reasons)) == (["os.mkdir"] * 3, [""] * 3)
    assert [found(directory / name) for directory, name in places] == [ANOTHER] * 3


@as_root
def test_of_many_what_the_directory_above_passes_on_is_put_right(
    host: LocalHost, roots: Roots
) -> None:
    os.chown(roots.data, 0, 54321)
    os.chmod(roots.data, 0o2755)

    assert list(host.make_directories([(roots.data, "a"), (roots.data, "b")], ANOTHER)) == ["", ""]

    assert [found(roots.data / name) for name in "ab"] == [ANOTHER] * 2


def test_what_its_owner_has_no_room_for_is_not_made_by_root(
    host: LocalHost, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, make = [], os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        tried.append(name)
        if name == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        make(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir)
    reasons = host.make_directories([(roots.data, name) for name in ("a", "full", "b")], PRIVATE)
    with pytest.raises(StepError, match="/full: no space is left"):
        host.make_directory(roots.data / "full", PRIVATE)

    assert tried == ["a", "full", "b", "full"]
    assert (reasons[0], reasons[2]) == ("", "")
    assert reasons[1].startswith(f"{roots.data}/full: no space is left on its file system.")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param("ENOSPC", "no space is left on its file system. Make room there", id="full"),
        pytest.param("EIO", "the disk reports an input/output error. Look at the k", id="broken"),
        pytest.param(
            "EROFS", "its file system is mounted read-only. Mount it writ", id="read-only"
        ),
        pytest.param("EACCES", "this user may not go there. Run as the user that", id="forbidden"),
        pytest.param("ENODEV", "no such device. Look at the kernel's log", id="unforeseen"),
    ],
)
def test_an_error_is_a_sentence_with_its_place_and_remedy(number: str, text: str) -> None:
    told_as = sentence(PurePosixPath("/var/lib/aimx"), told(getattr(errno, number)))

    assert told_as.startswith(f"/var/lib/aimx: {text}")
    assert told_as.endswith(".")


def test_a_certificate_of_a_long_name_has_no_common_name() -> None:
    hostname = ".".join(["a" * 60, "b" * 60, "example"])

    pem = new_certificate(hostname, new_private_key(), datetime(2026, 1, 1, tzinfo=UTC))

    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [hostname]


def test_what_is_kept_is_let_go_of_also_where_there_is_more_than_is_kept(
    host: LocalHost, roots: Roots
) -> None:
    before = os.listdir("/proc/self/fd")

    with host.keeping() as kept:
        for number in range(600):
            for path in (roots.data / str(number), roots.data / str(number) / "below"):
                kept.make_directory(path, PRIVATE)
                assert kept.look(path) == host.look(path)
        meanwhile = os.listdir("/proc/self/fd")

    assert len(before) + 450 < len(meanwhile) < len(before) + 600
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_kept_is_reached_through_no_link(host: LocalHost, roots: Roots) -> None:
    Path(roots.data / "elsewhere").mkdir()
    Path(roots.data / "link").symlink_to("elsewhere")

    with host.keeping() as kept, pytest.raises(StepError, match="symbolic link"):
        kept.make_directory(roots.data / "link" / "a", PRIVATE)

    assert tree(roots.data) == ["elsewhere", "link"]
