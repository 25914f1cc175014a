"""What no linter checks: docstrings of modules, lengths, where names of NATS are written."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 320
FUNCTION_LINES_MAX = 60


def tracked() -> list[Path]:
    """What git has or would take, in a clone; without git all that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


FILES = tracked()
MODULES = [path for path in FILES if path.suffix == ".py"]
PUBLIC = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ("funswarm", "services")]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def nodes(path: Path) -> list[ast.AST]:
    """To understand all modules takes seconds: of those only that may have what is looked for."""
    return list(ast.walk(ast.parse(source(path))))


def test_a_module_begins_with_a_docstring():
    assert [] == [name(path) for path in MODULES if not source(path).startswith('"""')]


def test_a_file_is_short():
    lengths = {name(path): len(source(path).splitlines()) for path in MODULES}
    assert {} == {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX}


def test_a_function_needs_no_scrolling():
    lengths = {
        f"{name(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        if may_need_scrolling(source(path))
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {} == {function: lines for function, lines in lengths.items() if lines > FUNCTION_LINES_MAX}


def may_need_scrolling(text: str) -> bool:
    """Whether some function is not followed by another one, a class, or something else that ends it, soon enough."""
    begins: list[tuple[int, int]] = []  # (indentation, line) of those that have not ended
    for number, line in enumerate([*text.splitlines(), "end"]):
        words = line.lstrip()
        if words.startswith(("def ", "async def ", "class ", "@")) or (words == line and line[:1].isalpha()):
            indentation = len(line) - len(words)
            if any(number - begin > FUNCTION_LINES_MAX for there, begin in begins if there >= indentation):
                return True
            begins = [one for one in begins if one[0] < indentation]
            if not words.startswith(("class", "@")):
                begins.append((indentation, number))
    return False


def test_the_names_on_nats_are_written_in_one_place_only():
    one = r"(\{[\w.]*prefix\}|funswarm)\.(event|command|result|dead|query|request|part|intent)\."
    stream = "FUNSWARM_(EVENTS|STATE|COMMANDS|RESULTS|DEAD)"
    somewhere, whole = re.compile(f"{one}|{stream}"), re.compile(f"^{one}|^{stream}$")
    elsewhere = [path for path in PUBLIC if name(path) != "funswarm/subjects.py" and somewhere.search(source(path))]
    assert [] == [f"{name(path)}: {text}" for path in elsewhere for text in texts(path) if whole.search(text)]


def texts(path: Path) -> list[str]:
    """The string literals of a module but its docstrings; an f-string with its fields as `{…}`."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append(ast.unparse(node).removeprefix("f")[1:-1])
    return found


def test_no_file_speaks_of_the_machine_it_was_written_on():
    local = re.compile(rb"/work/|/root/|/home/\w+|\.internal\b")
    others = (path for path in FILES if path != Path(__file__))
    assert {} == {name(path): found for path in others if (found := local.findall(path.read_bytes()))}
