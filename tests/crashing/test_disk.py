"""What a power cut may leave, by the model that `./dev/crash` goes by."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.crashing.calls import Call
from dev.crashing.disk import ROOT, Disk, Inode, Tree, lay_down
from dev.crashing.replay import Replay

BASE = Path("/base")
FILE = Inode(stat.S_IFREG, 0o600, 0, 0, b"old")
ROOT_DIRECTORY = Inode(stat.S_IFDIR, 0o755, 0, 0, names={"kept": 1, "below": 2})
BELOW = Inode(stat.S_IFDIR, 0o755, 0, 0)


@pytest.fixture
def disk() -> Disk:
    return Disk({ROOT: ROOT_DIRECTORY, 1: FILE, 2: BELOW})


@pytest.fixture
def does(disk: Disk) -> Callable[..., None]:
    """Carries out calls, as strace tells of them."""
    process = Replay(disk, BASE)

    def does(*lines: str) -> None:
        for line in lines:
            name, _, rest = line.partition("(")
            parts = rest.split('"')
            quoted = [
                f'"{"".join(f"{chr(92)}x{each:02x}" for each in part.encode())}"'
                if number % 2
                else "".join(_opened(part))
                for number, part in enumerate(parts)
            ]
            process.carry_out(Call(7, name, "".join(quoted)))

    return does


def _opened(part: str) -> str:
    """The paths of descriptors, in hexadecimal as well."""
    before, found, path = part.partition("<")
    if not found:
        return part
    path, _, after = path.partition(">")
    hexadecimal = "".join(f"\\x{each:02x}" for each in path.encode())
    return f"{before}<{hexadecimal}>{_opened(after)}"


ENTER = 'openat(AT_FDCWD</>, "/base", O_RDONLY|O_DIRECTORY) = 3</base>'
CREATE = 'openat(3</base>, "new", O_WRONLY|O_CREAT|O_EXCL, 0600) = 4</base/new>'
WRITE = 'write(4</base/new>, "text", 4) = 4'
FLUSH = "fsync(4</base/new>) = 0"
RENAME = 'renameat(3</base>, "new", 3</base>, "kept") = 0'
FLUSH_NAMES = "fsync(3</base>) = 0"


def left(disk: Disk) -> dict[str, dict[str, bytes]]:
    """The files that may be there, by what got lost."""
    return {lost: files(tree) for lost, tree in disk.after_a_cut()}


def files(tree: Tree) -> dict[str, bytes]:
    return {path: inode.content for path, _, inode in tree if not inode.is_directory}


def ways(disk: Disk) -> list[dict[str, bytes]]:
    found: list[dict[str, bytes]] = []
    for each in left(disk).values():
        if each not in found:
            found.append(each)
    return found


def test_a_file_that_was_replaced_is_the_old_or_the_new_one(disk: Disk, does) -> None:
    does(ENTER, CREATE, WRITE, FLUSH, RENAME)

    assert ways(disk) == [{"kept": b"old"}, {"kept": b"text"}]


def test_a_file_that_was_replaced_and_flushed_with_its_directory_is_new(disk: Disk, does) -> None:
    does(ENTER, CREATE, WRITE, FLUSH, RENAME, FLUSH_NAMES)

    assert ways(disk) == [{"kept": b"text"}]


def test_a_file_that_was_not_flushed_may_be_empty_under_its_name(disk: Disk, does) -> None:
    does(ENTER, CREATE, WRITE, RENAME, FLUSH_NAMES)

    assert ways(disk) == [{"kept": b""}, {"kept": b"te"}, {"kept": b"text"}]


def test_a_file_that_was_flushed_may_have_no_name(disk: Disk, does) -> None:
    does(ENTER, CREATE, WRITE, FLUSH)

    assert ways(disk) == [{"kept": b"old"}, {"kept": b"old", "new": b"text"}]


def test_a_file_that_moves_is_at_one_place_until_both_are_flushed(disk: Disk, does) -> None:
    does(
        ENTER,
        'openat(3</base>, "below", O_RDONLY|O_DIRECTORY) = 4</base/below>',
        'renameat2(3</base>, "kept", 4</base/below>, "kept", RENAME_NOREPLACE) = 0',
        "fsync(4</base/below>) = 0",
    )

    assert ways(disk) == [{"kept": b"old"}, {"below/kept": b"old"}]

    does(FLUSH_NAMES)

    assert ways(disk) == [{"below/kept": b"old"}]


def test_one_name_may_be_lost_and_one_of_another_directory_be_there(disk: Disk, does) -> None:
    does(
        ENTER,
        'openat(3</base>, "below", O_RDONLY|O_DIRECTORY) = 4</base/below>',
        'linkat(3</base>, "kept", 4</base/below>, "second", 0) = 0',
        'unlinkat(3</base>, "kept", 0) = 0',
    )

    assert {} in ways(disk)


def test_what_was_written_later_in_a_directory_is_there_after_what_came_before(
    disk: Disk, does
) -> None:
    does(ENTER, 'linkat(3</base>, "kept", 3</base>, "second", 0) = 0')
    does('unlinkat(3</base>, "kept", 0) = 0')

    assert ways(disk) == [{"kept": b"old"}, {"second": b"old"}]


def test_everything_is_there_after_a_sync(disk: Disk, does) -> None:
    does(ENTER, CREATE, WRITE, "sync() = 0")

    assert ways(disk) == [{"kept": b"old", "new": b"text"}]


def test_a_mode_is_lost_unless_it_is_flushed_or_was_there_when_the_name_was_given(
    disk: Disk, does
) -> None:
    does(
        ENTER,
        'mkdirat(3</base>, "made", 0700) = 0',
        'openat(3</base>, "made", O_RDONLY|O_DIRECTORY) = 4</base/made>',
        "fchmod(4</base/made>, 0711) = 0",
        'renameat2(3</base>, "made", 3</base>, "given", RENAME_NOREPLACE) = 0',
        FLUSH_NAMES,
        "fchmod(4</base/given>, 0755) = 0",
    )

    modes = [
        {path: inode.mode for path, _, inode in tree}["given"] for _, tree in disk.after_a_cut()
    ]
    assert set(modes) == {0o711, 0o755}


def test_what_is_made_as_another_is_that_user_s_from_the_first(disk: Disk, does) -> None:
    does(
        ENTER,
        "setfsgid(12346) = 0",
        "setfsuid(12345) = 0",
        'mkdirat(3</base>, "made", 0700) = 0',
        "setfsuid(0) = 12345",
        "setfsgid(0) = 12346",
        'mkdirat(3</base>, "ours", 0700) = 0',
        FLUSH_NAMES,
    )

    trees = [
        {path: (inode.uid, inode.gid) for path, _, inode in tree} for _, tree in disk.after_a_cut()
    ]
    assert {tree["made"] for tree in trees} == {(12345, 12346)}
    assert {tree["ours"] for tree in trees} == {(0, 0)}


@pytest.mark.parametrize(
    "line",
    [
        'mkdirat(3</base>, "made", 0700) = -1 EEXIST (File exists)',
        'mkdirat(3</base>, "made", 0700) = ?',
        'openat(AT_FDCWD</>, "/elsewhere", O_WRONLY|O_CREAT, 0600) = 5</elsewhere>',
        'write(1</elsewhere>, "said", 4) = 4',
    ],
)
def test_what_was_not_done_or_is_elsewhere_changes_nothing(disk: Disk, does, line: str) -> None:
    before = disk.tree()

    does(ENTER, line)

    assert disk.tree() == before
    assert disk.pending == []


@pytest.mark.parametrize(
    "line",
    [
        'symlinkat("kept", 3</base>, "link") = 0',
        "sendfile(4</base/new>, 3</base/kept>, NULL, 9) = 9",
    ],
)
def test_what_the_model_does_not_know_ends_it(disk: Disk, does, line: str) -> None:
    does(ENTER)

    with pytest.raises(AssertionError, match="does not know"):
        does(line)


UNNAMED = 'openat(3</base>, ".", O_WRONLY|O_TMPFILE, 0600) = 4</base/#7>(deleted)'
TO_UNNAMED = 'write(4</base/#7>(deleted), "text", 4) = 4'
NAMED = 'linkat(AT_FDCWD</>, "/proc/self/fd/4", 3</base>, "new", AT_SYMLINK_FOLLOW) = 0'


def test_a_file_without_a_name_is_there_once_it_has_one(disk: Disk, does) -> None:
    does(ENTER, UNNAMED, TO_UNNAMED, "fsync(4</base/#7>(deleted)) = 0")
    assert set(map(tuple, map(sorted, left(disk).values()))) == {("kept",)}

    does(NAMED, FLUSH_NAMES)

    assert all(there["new"] == b"text" for there in left(disk).values())


def test_what_is_written_in_the_midst_may_be_there_in_part(disk: Disk, does) -> None:
    does(ENTER, 'openat(3</base>, "kept", O_RDWR) = 5</base/kept>')

    does('pwrite64(5</base/kept>, "LD", 2, 1) = 2')

    assert {there["kept"] for there in left(disk).values()} == {b"old", b"oLd", b"oLD"}


def test_a_copy_of_part_of_a_file_is_followed(disk: Disk, does) -> None:
    does(ENTER, 'openat(3</base>, "kept", O_RDONLY) = 5</base/kept>', CREATE)

    does("copy_file_range(5</base/kept>, [1], 4</base/new>, NULL, 2, 0) = 2")

    assert files(disk.tree())["new"] == b"ld"


def test_a_second_descriptor_is_of_the_same_file(disk: Disk, does) -> None:
    does(ENTER, CREATE, "fcntl(4</base/new>, F_DUPFD_CLOEXEC, 0) = 9</base/new>")

    does('write(9</base/new>, "text", 4) = 4')

    assert files(disk.tree())["new"] == b"text"


def test_what_is_laid_down_is_what_was_read(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "directory").mkdir(parents=True)
    (base / "directory").chmod(0o711)
    (base / "directory/file").write_bytes(b"text")
    (base / "second").hardlink_to(base / "directory/file")
    (base / "second").chmod(0o640)

    lay_down(Disk.of(base).tree(), tmp_path / "again")

    assert Disk.of(tmp_path / "again").tree() == Disk.of(base).tree()
    assert (tmp_path / "again/second").samefile(tmp_path / "again/directory/file")
