"""What is in the tree is listed for the wheel, and the pins are exact."""

import tomllib
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_of_the_tree_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    tops = {"migrations", "model", "service", "workers"}
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in tops
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert listed == found
    for name in tops:
        assert resources.files(name).joinpath("py.typed").is_file()


def test_every_data_file_of_the_tree_is_package_data() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]
    for top in ("migrations", "model", "service", "workers"):
        for path in (ROOT / top).rglob("*"):
            if path.is_dir() or path.suffix == ".py" or path.parent.name == "__pycache__":
                continue
            owner = path.parent
            while not (owner / "__init__.py").exists():
                owner = owner.parent
            package = ".".join(owner.relative_to(ROOT).parts)
            own = [*patterns.get(package, []), *patterns["*"]]
            assert any(path.relative_to(owner).match(pattern) for pattern in own), path


def test_constraints_are_exact_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 30
    assert all(pin.count("==") == 1 and "+" not in pin and "/" not in pin for pin in pins)
    assert sorted(pins, key=str.lower) == pins
