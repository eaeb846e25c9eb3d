"""The surgery on a manifest's statements: what is touched is rewritten, what is not stays.

Nothing here is believed: whoever splices reads the text again and compares.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import delitem, setitem
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from desired.problem import KeyPath
from desired.rendering import block, is_tables, line
from desired.statements import Statement, comments, cut, newline

# Whose tables are called by name: [mailboxes."info@example.com"], but [smtp].
_NAMED = frozenset({"mailboxes", "domain", "identities"})


class UnsafeError(Exception):
    """A shape that cannot be edited without risk: which, and what to write where that tells."""

    def __init__(self, reason: str, lines: str = "") -> None:
        super().__init__(reason)
        self.lines = lines


class Splicing:
    """A text under the knife."""

    def __init__(self, text: str) -> None:
        self._newline = newline(text)
        self._statements = cut(text)

    def text(self) -> str:
        return "".join(statement.text for statement in self._statements)

    def put(self, path: KeyPath, value: Any) -> None:
        pair = self._pair(path)
        if pair is not None:
            self._rewrite(pair, path, lambda holder, name: setitem(holder, name, value))
        elif self._below(path):
            raise UnsafeError("it is a table with a place of its own")
        else:
            self._refuse_dots(path, value)
            self._put_new(path, value)

    def _put_new(self, path: KeyPath, value: Any) -> None:
        table = self._table(path)
        home = path[: 2 if path[0] in _NAMED else 1]
        if is_tables(value) and len(path) == len(table) + 1:
            self._add_block(path, "\n".join(block(path, item, element=True) for item in value))
        elif len(path) == 1 and not isinstance(value, dict):
            self._add_pair(path, value)
        elif len(table) < len(home):
            self._add_block(home, block(home, _nested(path[len(home) :], value)))
        else:
            below = len(table) + 1
            self._add_pair(path[:below], _nested(path[below:], value))

    def _refuse_dots(self, path: KeyPath, value: Any) -> None:
        for statement in self._statements:
            above = len(statement.table) + 1
            dotted = statement.kind == "pair" and len(statement.path) > above
            if dotted and path[:above] == statement.path[:above]:
                reason = "its table is written with dots"
                raise UnsafeError(reason, line(path[above - 1 :], value))

    def delete(self, path: KeyPath) -> None:
        pair = self._pair(path)
        if pair is not None and self._statements[pair].path != path:
            self._rewrite(pair, path, delitem, forget=True)
            return
        gone = set(self._below(path))
        for index in sorted(gone):
            if self._statements[index].kind in ("table", "element"):
                attached = self._attached(index)
                # What begins the file speaks of the file.
                gone |= self._block(index) | (attached if 0 not in attached else set())
        self._cut_out(gone)

    def append(self, path: KeyPath, item: Any) -> None:
        pair = self._pair(path)
        if pair is None and isinstance(item, dict):
            self._add_block(path, block(path, item, element=True))
        elif pair is None:
            self.put(path, [item])
        elif isinstance(item, dict):
            inside = self._statements[pair].path != path
            raise UnsafeError(f"its {'table stands' if inside else 'entries stand'} in one line")
        else:
            self._rewrite(pair, path, lambda holder, name: holder[name].append(item))

    def remove(self, path: KeyPath, index: int) -> None:
        pair = self._pair(path)
        if pair is None:
            self.delete((*path, index))
        else:
            self._rewrite(pair, path, lambda holder, name: holder[name].pop(index), forget=True)

    def lead(self, path: KeyPath, index: int) -> None:
        pair = self._pair(path)
        if pair is None:
            raise UnsafeError("its entries are tables")
        inside = "".join(self._statements[pair].text.splitlines(keepends=True)[:-1])
        if comments(inside):
            raise UnsafeError("comments stand beside its entries")

        def turn(holder: Any, name: Any) -> None:
            """The values change places, and the spaces between them stay."""
            items = list(holder[name])
            for place, item in enumerate([items.pop(index), *items]):
                holder[name][place] = item

        self._rewrite(pair, path, turn)

    def _pair(self, path: KeyPath) -> int | None:
        """The pair that the path stands in: its own, or an inline table's or array's around it."""
        for index, statement in enumerate(self._statements):
            if statement.kind == "pair" and path[: len(statement.path)] == statement.path:
                return index
        return None

    def _below(self, path: KeyPath) -> list[int]:
        """The headers and pairs at the path or below it."""
        return [
            index
            for index, statement in enumerate(self._statements)
            if statement.kind in ("table", "element", "pair")
            and statement.path[: len(path)] == path
        ]

    def _table(self, path: KeyPath) -> KeyPath:
        """The nearest table above the path that has a header; the top has none."""
        tables = {
            statement.table
            for statement in self._statements
            if path[: len(statement.table)] == statement.table
        }
        return max(tables - {path}, key=len, default=())

    def _block(self, header: int) -> set[int]:
        """The statements of a header's block, to its last pair, and the empty lines behind."""
        end = self._close(header)
        found = set(range(header, end))
        while end < len(self._statements) and self._statements[end].kind == "blank":
            found.add(end)
            end += 1
        return found

    def _end(self, header: int) -> int:
        """Where the pairs of a header end."""
        end = header + 1
        for index in range(header + 1, len(self._statements)):
            kind = self._statements[index].kind
            if kind in ("table", "element"):
                break
            if kind == "pair":
                end = index + 1
        return end

    def _close(self, header: int) -> int:
        """Where a header's block ends: behind its last pair, and the comments right below that.

        Comments that reach down to the next header speak of that one.
        """
        end = after = self._end(header)
        while after < len(self._statements) and self._statements[after].kind == "comment":
            after += 1
        last = after == len(self._statements) or self._statements[after].kind == "blank"
        return after if last else end

    def _attached(self, header: int) -> set[int]:
        """The comments right above a header: they speak of it, if they are no directives."""
        start = header
        while start and self._statements[start - 1].kind == "comment":
            if self._statements[start - 1].text.startswith("#:"):
                break
            start -= 1
        return set(range(start, header))

    def _cut_out(self, gone: set[int]) -> None:
        self._statements = [
            statement for index, statement in enumerate(self._statements) if index not in gone
        ]

    def _rewrite(
        self,
        index: int,
        path: KeyPath,
        change: Callable[[Any, Any], object],
        *,
        forget: bool = False,
    ) -> None:
        """Change one pair's value; the style-keeping parser sees nothing but this pair.

        `forget`: the comments of what is taken out go along.
        """
        before = self._statements[index]
        text = _rewritten(before, path, change).replace("\n", self._newline)
        if not forget and len(comments(text)) < len(comments(before.text)):
            raise UnsafeError("a comment inside it would be lost")
        self._statements[index] = Statement("pair", text, before.table, before.path)

    def _add_pair(self, path: KeyPath, value: Any) -> None:
        table = path[:-1]
        at = self._place(table)
        above = self._statements[at - 1] if at else None
        first = above is None or above.kind != "pair"
        indent = _indent(above.text) if above and not first else ""
        self._insert(at, indent + line(path[-1:], value))
        if first and not table:
            self._separate(at + 1)
            self._separate(at)

    def _place(self, table: KeyPath) -> int:
        """Where a new pair of the table goes: behind its last."""
        if table:
            header = next(
                index
                for index, statement in enumerate(self._statements)
                if statement.kind in ("table", "element") and statement.path == table
            )
            return self._end(header)
        return self._end(-1) or self._first()

    def _first(self) -> int:
        """Where the first pair of the top goes: behind what introduces the file."""
        header = next(
            (i for i, found in enumerate(self._statements) if found.kind in ("table", "element")),
            len(self._statements),
        )
        return header - len(self._attached(header))

    def _add_block(self, path: KeyPath, text: str) -> None:
        """Add a header with its pairs behind the last of its kin; else at the end."""
        kin = self._below(path) or self._below(path[:-1])
        kin = [index for index in kin if self._statements[index].table]
        at = self._close(kin[-1]) if kin else len(self._statements)
        self._insert(at, text)
        self._separate(at + 1)
        self._separate(at)

    def _separate(self, at: int) -> None:
        """An empty line between the statement here and the one before, unless there is one."""
        near = self._statements[max(at - 1, 0) : at + 1]
        if 0 < at < len(self._statements) and all(found.kind != "blank" for found in near):
            self._statements.insert(at, Statement("blank", self._newline, (), ()))

    def _insert(self, at: int, text: str) -> None:
        if at:
            self._finish(at - 1)
        new = Statement("pair", text.replace("\n", self._newline), (), ())
        self._statements.insert(at, new)

    def _finish(self, index: int) -> None:
        """The last line of a file may lack its end."""
        last = self._statements[index]
        if not last.text.endswith("\n"):
            text = last.text + self._newline
            self._statements[index] = Statement(last.kind, text, last.table, last.path)


def _rewritten(statement: Statement, path: KeyPath, change: Callable[[Any, Any], object]) -> str:
    try:
        document = tomlkit.parse(statement.text.replace("\r\n", "\n"))
        holder: Any = document
        *above, name = path[len(statement.table) :]
        for part in above:
            holder = holder[part]
        change(holder, name)
        return tomlkit.dumps(document)
    except (TOMLKitError, LookupError, TypeError, AttributeError) as cause:
        raise UnsafeError("it is written in a way that cannot be edited") from cause


def _nested(path: KeyPath, value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" \t"))]
