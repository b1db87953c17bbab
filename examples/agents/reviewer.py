#!/usr/bin/env python3
"""A reviewer: refuses changes that leave debugging aids or unfinished work behind.

    [agent.my-reviewer]
    protocol = "command"
    command = ["/opt/agents/reviewer.py"]

    [roles]
    guardian-agent = ["builtin", "my-reviewer"]   # all must approve

It reads the change from the patch file that the assignment names and answers with one finding per line.
Nothing but Python's standard library is needed.
"""

import json
import os
import re

LEFTOVERS = {
    re.compile(r"\bbreakpoint\(\)|\bpdb\.set_trace\(\)|\bdebugger;"): "a breakpoint was left behind",
    re.compile(r"\bconsole\.log\("): "a debugging print was left behind",
    re.compile(r"\b(FIXME|XXX)\b"): "unfinished work is marked here: finish it, or make it a request of its own",
    re.compile(r"^(<{7}|>{7}) "): "a merge conflict is not resolved",
}


def added_lines(patch):
    """Yields (file, line number, text) of every line that the patch adds."""
    file, number = None, 0
    for line in patch.splitlines():
        if line.startswith("+++ "):
            file = line[4:].removeprefix("b/")
        elif hunk := re.match(r"@@ -\d+(?:,\d+)? \+(\d+)", line):
            number = int(hunk[1])
        elif line.startswith("+"):
            yield file, number, line[1:]
            number += 1
        elif line.startswith(" "):
            number += 1


def main():
    with open(os.environ["CHIMERA_ASSIGNMENT"], encoding="utf-8") as file:
        assignment = json.load(file)
    with open(assignment["diff_path"], encoding="utf-8", errors="replace") as file:
        patch = file.read()
    findings = [
        {"file": name, "line": number, "severity": "error", "message": message}
        for name, number, text in added_lines(patch)
        for leftover, message in LEFTOVERS.items()
        if leftover.search(text)
    ]
    answer = {
        "outcome": "rejected" if findings else "passed",
        "summary": f"{len(findings)} leftovers" if findings else "nothing was left behind",
        "findings": findings,
    }
    with open(os.environ["CHIMERA_OUTCOME"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
