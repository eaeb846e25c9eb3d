import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


def floor_plan() -> dict[str, set[str]]:
    """What docs/architecture.md names in the block of each package: rooms and modules."""
    text = (ROOT / "docs/architecture.md").read_text()
    text = text[text.index("## Floor plan") : text.index("## The way of an edit")]
    blocks = re.split(r"^### (\w+):.*$", text, flags=re.M)[1:]
    return {
        package: set(re.findall(r"[\w]+(?:\.py|/)", block))
        for package, block in zip(blocks[::2], blocks[1::2], strict=True)
    }


def test_every_module_has_its_place(sources: dict[str, str]) -> None:
    plan = floor_plan()

    homeless = [
        path
        for path in map(PurePosixPath, sources)
        if path.name != "__init__.py"
        and not {path.name, *(f"{part}/" for part in path.parts[1:-1])} & plan[path.parts[0]]
    ]

    assert homeless == []


def test_every_place_has_its_module() -> None:
    for package, names in floor_plan().items():
        there = {path.name for path in (ROOT / package).rglob("*.py")}
        there |= {f"{path.name}/" for path in (ROOT / package).rglob("*") if path.is_dir()}

        assert names - there == set()
