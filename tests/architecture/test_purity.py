import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLOCKS = {"now", "today", "utcnow"}


def pure_modules() -> list[Path]:
    """What the contracts of pyproject.toml call pure."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    names = [
        name.replace(".", "/")
        for contract in contracts["contracts"]
        if contract["id"].startswith("pure-")
        for name in contract["source_modules"]
    ]
    found = [path for name in names for path in (ROOT / name).rglob("*.py")]
    found += [path for name in names if (path := ROOT / f"{name}.py").is_file()]
    return [path for path in found if "host" not in path.parts and path.name != "locks.py"]


def test_no_pure_module_reads_a_clock() -> None:
    # `host.now()` is a question to the machine; `datetime.now()` would be a clock of one's own.
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in pure_modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
    ]

    assert found == []


def test_all_that_is_called_pure_is_looked_at() -> None:
    assert len(pure_modules()) > 60
