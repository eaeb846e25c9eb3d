from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reconcilers.host.host import (
    Access,
    Account,
    Entry,
    Host,
    Nature,
    Place,
    StepError,
    UnseenError,
)
from reconcilers.host.local import LocalHost
from reconcilers.host.memory import MemoryHost
from reconcilers.roots import Roots

US = Account("us", os.geteuid(), os.getegid())


def ours(mode: int) -> Access:
    return Access(mode, US.uid, US.gid)


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    top = PurePosixPath(tmp_path)
    return Roots(top / "etc", top / "data", top / "run", top / "etc/manifest.toml")


class Local(LocalHost):
    """The real host, with ways to put things there that are not part of the contract."""

    def plant_link(self, path: PurePosixPath) -> None:
        os.symlink("/nowhere", path)


class Memory(MemoryHost):
    def plant_link(self, path: PurePosixPath) -> None:
        self.plant_other(path, Nature.SYMLINK)


@pytest.fixture(params=["local", "kept", "memory"])
def host(request: pytest.FixtureRequest, roots: Roots) -> Iterator[Local | Memory]:
    made = Memory(roots, user=US) if request.param == "memory" else Local(roots)
    for root in (roots.config, roots.data):
        made.make_directory(root, ours(0o755))
    with made.keeping() if request.param == "kept" else nullcontext(made) as host:
        yield host


def access(entry: Entry | None) -> Access | None:
    return None if entry is None else Access(entry.mode, entry.uid, entry.gid)


@pytest.mark.parametrize("length", [1, 244, 245, 255])
def test_a_name_of_any_length_that_is_legal_can_be_made(
    host: Local | Memory, roots: Roots, length: int
) -> None:
    directory, file = roots.data / ("d" * length), roots.config / ("f" * length)

    host.make_directory(directory, ours(0o700))
    host.replace(file, b"content", ours(0o600))

    assert host.names(roots.data) == (directory.name,)
    assert host.read(file) == b"content"


def _paths(places: Iterable[Place]) -> Iterator[PurePosixPath]:
    return (directory / name for directory, name in places)


class TestLooking:
    def test_what_is_not_there_is_none(self, host: Host, roots: Roots) -> None:
        assert host.look(roots.data / "a/b/c") is None
        assert host.read(roots.data / "a/b/c") is None
        assert host.names(roots.data / "a/b/c") is None
        assert host.look_within(roots.data / "a/b/c", ["d"]) is None

    def test_nothing_is_below_a_file(self, host: Host, roots: Roots) -> None:
        host.replace(roots.readme, b"", ours(0o644))

        assert host.look(roots.readme / "a/b") is None
        assert host.names(roots.readme) is None

    def test_a_link_is_looked_at_and_neither_read_nor_entered(
        self, host: Local | Memory, roots: Roots
    ) -> None:
        link = roots.data / "a.com"
        host.plant_link(link)

        entry = host.look(link)
        assert entry is not None
        assert entry.nature is Nature.SYMLINK
        for look in (host.read, host.names, lambda path: host.look(path / "inbox")):
            with pytest.raises(UnseenError, match=r"a\.com: a symbolic link stands there"):
                look(link)

    def test_a_directory_cannot_be_read(self, host: Host, roots: Roots) -> None:
        with pytest.raises(UnseenError, match="a directory stands where a file belongs"):
            host.read(roots.data)

    def test_a_file_of_more_than_16_mib_is_not_read(self, host: Host, roots: Roots) -> None:
        host.replace(roots.readme, bytes(16 * 2**20), ours(0o644))
        assert len(host.read(roots.readme) or b"") == 16 * 2**20

        host.replace(roots.readme, bytes(16 * 2**20 + 1), ours(0o644))
        with pytest.raises(UnseenError, match="larger than it may be"):
            host.read(roots.readme)

    def test_many_names_are_looked_at_together(self, host: Host, roots: Roots) -> None:
        host.make_directory(roots.data / "a", ours(0o700))
        host.replace(roots.readme, b"read me", ours(0o644))

        seen = host.look_within(roots.data, ["a", "README.md", "b"])

        assert seen == {
            "a": host.look(roots.data / "a"),
            "README.md": host.look(roots.readme),
            "b": None,
        }

    def test_names_are_sorted(self, host: Host, roots: Roots) -> None:
        for name in ("c", "a", "b"):
            host.make_directory(roots.data / name, ours(0o700))

        assert host.names(roots.data) == ("a", "b", "c")

    def test_what_an_interrupted_change_left_is_not_named(self, host: Host, roots: Roots) -> None:
        host.replace(roots.data / ".alice.aimx-new", b"", ours(0o600))

        assert host.names(roots.data) == ()

    def test_an_account_that_is_not_there_is_none(self, host: Host) -> None:
        assert host.account("no-such-user-here") is None
        assert host.user().uid == US.uid


class TestMaking:
    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o711, 0o1770])
    def test_a_directory_has_exactly_its_mode(self, host: Host, roots: Roots, mode: int) -> None:
        host.make_directory(roots.data / "a", ours(mode))
        host.sync(roots.data)

        assert access(host.look(roots.data / "a")) == ours(mode)
        assert host.names(roots.data) == ("a",)

    def test_a_directory_that_is_there_keeps_its_content_and_gets_the_access(
        self, host: Host, roots: Roots
    ) -> None:
        host.make_directory(roots.data / "a", ours(0o711))
        host.make_directory(roots.data / "a/b", ours(0o700))

        host.make_directory(roots.data / "a", ours(0o755))

        assert access(host.look(roots.data / "a")) == ours(0o755)
        assert host.names(roots.data / "a") == ("b",)

    @pytest.mark.parametrize("mode", [0o700, 0o755], ids=oct)
    def test_many_directories_end_as_each_by_itself_would(
        self, host: Host, roots: Roots, mode: int
    ) -> None:
        host.make_directory(roots.data / "a", ours(0o755))
        host.make_directory(roots.data / "there", ours(0o711))
        host.replace(roots.data / "file", b"", ours(0o600))
        names = ["new", "there", "file", "last"]
        places = [*((roots.data, name) for name in names), (roots.data / "a", "b")]

        reasons = host.make_directories([*places, (roots.data / "none", "c")], ours(mode))

        whole = [
            entry and (entry.nature, access(entry)) for entry in map(host.look, _paths(places))
        ]
        made = (Nature.DIRECTORY, ours(mode))
        assert whole == [made, made, (Nature.FILE, ours(0o600)), made, made]
        assert [reason.partition(":")[0] for reason in reasons] == [
            *("", "", str(roots.data / "file"), "", ""),
            str(roots.data / "none"),
        ]

    def test_the_directories_above_a_root_are_made(self, host: Host, roots: Roots) -> None:
        nested = Roots(
            roots.config, roots.data / "deep/down", roots.runtime, roots.config / "manifest.toml"
        )
        other = type(host)(nested)

        other.make_directory(nested.data, other_access := Access(0o700, *_ids(other)))

        assert access(other.look(nested.data)) == other_access

    def test_the_directories_above_all_else_are_not(self, host: Host, roots: Roots) -> None:
        with pytest.raises(StepError, match=r"/data/a: it, or a directory above it, is not there"):
            host.make_directory(roots.data / "a/b", ours(0o700))

    def test_a_file_is_not_made_a_directory(self, host: Host, roots: Roots) -> None:
        host.replace(roots.readme, b"", ours(0o644))

        with pytest.raises(StepError, match="a file stands where a directory belongs"):
            host.make_directory(roots.readme, ours(0o700))

    def test_access_is_set(self, host: Host, roots: Roots) -> None:
        host.make_directory(roots.data / "a", ours(0))
        host.replace(roots.readme, b"", ours(0o600))

        host.set_access(roots.data / "a", ours(0o711))
        host.set_access(roots.readme, ours(0o644))

        assert access(host.look(roots.data / "a")) == ours(0o711)
        assert access(host.look(roots.readme)) == ours(0o644)

    def test_a_file_is_replaced_with_its_access(self, host: Host, roots: Roots) -> None:
        host.replace(roots.engine_config, b"old", ours(0o600))
        host.replace(roots.engine_config, b"new", ours(0o640))

        assert host.read(roots.engine_config) == b"new"
        assert access(host.look(roots.engine_config)) == ours(0o640)
        assert host.names(roots.config) == ("config.toml",)

    def test_a_log_grows_line_by_line(self, host: Host, roots: Roots) -> None:
        log = roots.data / "log"
        host.append(log, b"one\n", ours(0o600))
        host.append(log, b"two\nthree\n", ours(0o600), durably=False)

        assert host.read(log) == b"one\ntwo\nthree\n"
        assert access(host.look(log)) == ours(0o600)

    def test_a_line_that_a_crash_cut_short_is_ended(self, host: Host, roots: Roots) -> None:
        log = roots.data / "log"
        host.append(log, b'{"half', ours(0o600))
        host.append(log, b"{}\n", ours(0o600))

        assert host.read(log) == b'{"half\n{}\n'

    def test_a_link_is_another_name_of_the_same_file(self, host: Host, roots: Roots) -> None:
        host.replace(roots.data / "a", b"key", ours(0o600))

        host.link(roots.data / "a", roots.data / "b")

        assert host.look(roots.data / "a") == host.look(roots.data / "b")
        assert host.read(roots.data / "b") == b"key"
        with pytest.raises(StepError, match="b: something is there already"):
            host.link(roots.data / "a", roots.data / "b")
        with pytest.raises(StepError, match="/c: it, or a directory above it, is not there"):
            host.link(roots.data / "c", roots.data / "d")

    def test_a_linked_file_keeps_its_content_when_its_other_name_is_replaced(
        self, host: Host, roots: Roots
    ) -> None:
        host.replace(roots.data / "a", b"old", ours(0o600))
        host.link(roots.data / "a", roots.data / "b")

        host.replace(roots.data / "a", b"new", ours(0o600))

        assert host.read(roots.data / "b") == b"old"

    def test_no_change_goes_through_a_link(self, host: Local | Memory, roots: Roots) -> None:
        link = roots.data / "a"
        host.plant_link(link)

        for change in (
            lambda: host.make_directory(link, ours(0o700)),
            lambda: host.make_directory(link / "b", ours(0o700)),
            lambda: host.set_access(link, ours(0o700)),
            lambda: host.replace(link, b"", ours(0o600)),
            lambda: host.append(link, b"", ours(0o600)),
            lambda: host.sync(link),
            lambda: host.move(link / "b", roots.data / "c"),
        ):
            with pytest.raises(StepError, match="/a: a symbolic link stands there"):
                change()

    def test_nothing_outside_of_the_instance_is_changed(self, host: Host, roots: Roots) -> None:
        for path in (roots.data.parent / "b", roots.data.parent, PurePosixPath("/b")):
            with pytest.raises(StepError, match="the kernel does not permit it"):
                host.make_directory(path, ours(0o700))

    @pytest.mark.skipif(US.uid == 0, reason="root may give everything to everybody")
    def test_only_root_gives_things_away(self, host: Host, roots: Roots) -> None:
        with pytest.raises(StepError, match="only root can give it to user 12345"):
            host.make_directory(roots.data / "a", Access(0o700, 12345, 12345))

        assert host.names(roots.data) == ()

    @pytest.mark.skipif(US.uid != 0, reason="only root gives things away")
    def test_what_is_made_belongs_to_whom_it_shall(self, host: Host, roots: Roots) -> None:
        theirs = Access(0o700, 12345, 12346)
        host.make_directory(roots.data / "a", theirs)
        host.replace(roots.data / "b", b"", theirs)

        assert access(host.look(roots.data / "a")) == theirs
        assert access(host.look(roots.data / "b")) == theirs


class TestMoving:
    def test_a_directory_moves_with_all_that_is_in_it(self, host: Host, roots: Roots) -> None:
        for path in ("a", "a/mail", "b"):
            host.make_directory(roots.data / path, ours(0o700))
        before = host.look(roots.data / "a")

        host.move(roots.data / "a", roots.data / "b/a")

        assert host.look(roots.data / "a") is None
        assert host.look(roots.data / "b/a") == before
        assert host.names(roots.data / "b/a") == ("mail",)

    def test_nothing_is_moved_over_what_is_there(self, host: Host, roots: Roots) -> None:
        for path in ("a", "b"):
            host.make_directory(roots.data / path, ours(0o700))

        with pytest.raises(StepError, match=r"/b: is there already, so .*/a was not moved there"):
            host.move(roots.data / "a", roots.data / "b")
        assert host.names(roots.data) == ("a", "b")

    def test_what_is_not_there_is_not_moved(self, host: Host, roots: Roots) -> None:
        with pytest.raises(StepError, match=r"/a: is not there, so it was not moved to .*/b"):
            host.move(roots.data / "a", roots.data / "b")

    def test_nothing_is_moved_into_itself(self, host: Host, roots: Roots) -> None:
        host.make_directory(roots.data / "a", ours(0o700))

        with pytest.raises(StepError, match=r"/a: cannot be moved into itself, to .*/a/b"):
            host.move(roots.data / "a", roots.data / "a/b")

    def test_nothing_is_moved_to_where_no_directory_is(self, host: Host, roots: Roots) -> None:
        host.make_directory(roots.data / "a", ours(0o700))

        with pytest.raises(StepError, match=r"/b: it, or a directory above it, is not there"):
            host.move(roots.data / "a", roots.data / "b/c")


class TestRemoving:
    def test_what_is_not_there_is_removed_already(self, host: Host, roots: Roots) -> None:
        for remove in (host.remove_file, host.remove_directory, host.remove_tree):
            remove(roots.data / "a")
            remove(roots.data / "a/b")

    def test_a_file_is_removed_and_a_directory_is_not(self, host: Host, roots: Roots) -> None:
        host.replace(roots.readme, b"", ours(0o644))

        host.remove_file(roots.readme)

        assert host.names(roots.data) == ()
        with pytest.raises(StepError, match="a directory stands where a file belongs"):
            host.remove_file(roots.data)

    def test_only_an_empty_directory_is_removed(self, host: Host, roots: Roots) -> None:
        for path in ("a", "a/b"):
            host.make_directory(roots.data / path, ours(0o700))

        with pytest.raises(StepError, match="a: the directory is not empty"):
            host.remove_directory(roots.data / "a")
        host.remove_directory(roots.data / "a/b")
        host.remove_directory(roots.data / "a")

        assert host.names(roots.data) == ()

    def test_a_tree_goes_with_all_that_is_below_it(self, host: Host, roots: Roots) -> None:
        for path in ("a", "a/b", "a/b/c", "a/b/c/d", "a/.aimx-removed-0"):
            host.make_directory(roots.data / path, ours(0o500 if path == "a/b/c" else 0o700))
            host.set_access(roots.data / path, ours(0o700))
            host.replace(roots.data / path / "mail.md", b"", ours(0o600))
        host.set_access(roots.data / "a/b/c", ours(0o500))

        host.remove_tree(roots.data / "a")

        assert host.names(roots.data) == ()


class TestMakingUp:
    def test_a_key_is_rsa_of_2048_bits_in_pkcs1(self, host: Host) -> None:
        key = host.new_private_key()

        assert key.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
        assert load_pem_private_key(key, None).key_size == 2048  # type: ignore[union-attr]
        assert host.new_private_key() != key

    def test_a_certificate_is_for_its_host_and_its_key(self, host: Host) -> None:
        key = host.new_private_key()

        pem = host.new_certificate("mx.example.com", key)

        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == ["mx.example.com"]
        assert certificate.public_key() == load_pem_private_key(key, None).public_key()
        assert (certificate.not_valid_after_utc - host.now()).days in {3649, 3650}

    def test_when_a_file_got_its_content_is_known_of_files_alone(
        self, host: Host, roots: Roots
    ) -> None:
        file, directory = roots.config / "key", roots.config / "home"
        host.make_directory(directory, ours(0o700))
        host.replace(file, b"one", ours(0o600))

        found = [host.written(path) for path in (file, directory, roots.config / "none")]

        assert found[0] is not None
        assert abs((host.now() - found[0]).days) < 1
        assert found[1:] == [None, None]

    def test_a_new_name_or_mode_of_a_file_leaves_its_time(self, host: Host, roots: Roots) -> None:
        file = roots.config / "key"
        host.replace(file, b"one", ours(0o600))
        before = host.written(file)

        host.set_access(file, ours(0o644))
        host.link(file, roots.config / "other")

        assert host.written(file) == host.written(roots.config / "other") == before

    def test_time_is_aware_and_utc(self, host: Host) -> None:
        assert str(host.now().tzinfo) == "UTC"


def _ids(host: Host) -> tuple[int, int]:
    return host.user().uid, host.user().gid


@pytest.mark.parametrize(
    ("start", "octets", "part"),
    [(0, 3, b"abc"), (2, 9, b"cdef"), (6, 9, b""), (9, 1, b""), (-2, 9, b"ef"), (-9, 2, b"ab")],
)
def test_a_part_of_a_file_is_read(
    host: Local | Memory, roots: Roots, start: int, octets: int, part: bytes
) -> None:
    host.replace(roots.data / "f", b"abcdef", ours(0o600))

    assert host.read_part(roots.data / "f", start, octets) == part
    assert host.read_part(roots.data / "g", start, octets) is None


def test_a_part_of_what_is_no_file_is_unseen(host: Local | Memory, roots: Roots) -> None:
    host.plant_link(roots.data / "link")
    host.make_directory(roots.data / "d", ours(0o700))

    for name in ("link", "d"):
        with pytest.raises(UnseenError):
            host.read_part(roots.data / name, 0, 1)
