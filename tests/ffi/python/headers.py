# SPDX-License-Identifier: Apache-2.0
"""What include/falign/*.h declares: functions with the kinds of falign.PROTOTYPES, enum values, members of structs."""

import pathlib
import re
from typing import Dict, List, Set, Tuple

KINDS = {"void": "v", "double": "d", "float": "f", "int32_t": "i", "uint32_t": "I", "int64_t": "l", "uint64_t": "L",
         "size_t": "z", "ptrdiff_t": "s"}


def text(folder: str) -> str:
    whole = "\n".join(path.read_text() for path in sorted(pathlib.Path(folder).glob("*.h")))
    return re.sub(r"^\s*#.*(\\\n.*)*$", "", re.sub(r"/\*.*?\*/", "", whole, flags=re.S), flags=re.M)


def kind(declaration: str, known: Dict[str, str]) -> str:
    if "*" in declaration or "(" in declaration or "[" in declaration or "_fn " in declaration + " ":
        return "c" if re.match(r"\s*const char \*\w*\s*$", declaration) else "p"
    words = [w for w in declaration.split() if w not in ("const", "struct")]
    return known[words[0]]


def split(arguments: str) -> List[str]:
    parts, depth = [""], 0
    for letter in arguments:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p.strip() for p in parts]


def reference(declaration: str, nouns: Set[str]) -> str:
    """<noun> for a pointer to an object, else nothing."""
    match = re.match(r"(?:const )?(?:struct )?falign_(\w+) \*\w*$", declaration.strip())
    return "<%s>" % match.group(1) if match and match.group(1) in nouns else ""


def functions(folder: str) -> Dict[str, str]:
    source = text(folder)
    nouns = set(re.findall(r"typedef struct falign_(\w+) falign_\1;", source))
    known = dict(KINDS)
    for integer, name in re.findall(r"typedef (\w+) (falign_\w+);", source):
        known[name] = KINDS.get(integer, "p")
    found = {}
    for declaration in re.findall(r"FALIGN_API\s+([^;{}]*);", source):
        declaration = " ".join(declaration.replace("FALIGN_CHECKED", "").split())
        match = re.match(r"(.*?)\b(falign_\w+)\((.*)\)$", declaration)
        assert match, declaration
        result, name, arguments = match.groups()
        parts = [result] + ([] if arguments == "void" else split(arguments))
        found[name] = "".join(reference(p, nouns) or kind(p, known) for p in parts)
    return found


def versions(folder: str) -> Tuple[Tuple[int, int], int]:
    source = pathlib.Path(folder, "version.h").read_text()
    major, minor, abi = (int(re.search(r"#define FALIGN_%s (\d+)" % name, source).group(1))  # type: ignore[union-attr]
                         for name in ("VERSION_MAJOR", "VERSION_MINOR", "ABI"))
    return (major, minor), abi


def enums(folder: str) -> Dict[str, int]:
    return {name: int(value) for body in re.findall(r"enum \{(.*?)\}", text(folder), flags=re.S)
            for name, value in re.findall(r"FALIGN_(\w+) = (\d+)", body)}


def callbacks(folder: str) -> Dict[str, str]:
    """The codes of each function pointer in a table, by table.entry, and of each callback type, by name."""
    source, found = text(folder), {}
    known = dict(KINDS)
    for integer, name in re.findall(r"typedef (\w+) (falign_\w+);", source):
        known[name] = KINDS.get(integer, "p")

    def codes(result: str, arguments: str) -> str:
        return kind(result, known) + "".join(kind(a, known) for a in split(" ".join(arguments.split())))
    for result, name, arguments in re.findall(r"typedef (\w+) \(\*(falign_\w+_fn)\)\(([^;]*)\);", source):
        found[name] = codes(result, arguments)
    for table, body in re.findall(r"typedef struct (falign_\w+_table) \{(.*?)\} \1;", source, flags=re.S):
        for result, name, arguments in re.findall(r"(\w+) \(\*(\w+)\)\(([^;]*)\);", body):
            found[table + "." + name] = codes(result, arguments)
        for type_name, name in re.findall(r"(falign_\w+_fn) (\w+);", body):
            found[table + "." + name] = found[type_name]
    return found


def structs(folder: str) -> Dict[str, List[Tuple[str, str]]]:
    """The members of each struct and their kinds, or the struct that they are."""
    source, found = text(folder), {}
    known = dict(KINDS)
    for integer, name in re.findall(r"typedef (\w+) (falign_\w+);", source):
        known[name] = KINDS.get(integer, "p")
    bodies = re.findall(r"typedef struct falign_(\w+) \{(.*?)\} falign_\1;", source, flags=re.S)
    known.update(("falign_" + name, name) for name, _ in bodies)
    for name, body in bodies:
        members = [" ".join(member.split()) for member in body.split(";") if member.strip()]
        found[name] = [((re.search(r"\(\*(\w+)\)", member) or re.search(r"(\w+)$", member)).group(1),  # type: ignore
                        kind(member, known)) for member in members]
    return found
