#!/bin/sh
# A coder: hands the prompt to a headless coding tool and says what came of it.
#
#   [agent.my-coder]
#   protocol = "command"
#   command = ["/opt/agents/coder.sh", "{prompt_file}"]
#   env = ["CODING_TOOL", "MY_API_KEY"]
#
# CODING_TOOL is the command line of the tool; it gets the prompt on standard input and works in the current
# directory: "claude -p --permission-mode acceptEdits", "codex exec -s workspace-write -", ...
set -eu

answer() {
    printf '{"outcome": "%s", "summary": "%s"}\n' "$1" "$2" > "$CHIMERA_OUTCOME"
}

if [ -z "${CODING_TOOL:-}" ]; then
    answer failed "coder.sh: CODING_TOOL is not set: set it for the daemon and name it in env of the agent"
    exit 0
fi

# The tool's own word is not enough: many exit with 0 although nothing was done.
if ! sh -c "$CODING_TOOL" < "$1"; then
    answer failed "the coding tool gave up; its log says why"
elif [ -z "$(git status --porcelain)" ]; then
    answer failed "the coding tool ended without changing a file; its log says why"
else
    answer passed "changed $(git status --porcelain | wc -l) files"
fi
