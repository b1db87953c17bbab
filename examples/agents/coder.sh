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
    exit 0
}

# Whether the tool ended with words about its account: then no other task can work with it either.
locked_out() {
    tail -n 20 "$log" | grep -Eiq \
        '\b(401|403)\b|unauthori[sz]ed|forbidden|not logged in|(invalid|missing|expired).{0,20}(api.?)?key|quota|insufficient (credit|funds)|billing'
}

if [ -z "${CODING_TOOL:-}" ]; then
    answer unavailable "coder.sh: CODING_TOOL is not set: set it for the daemon, name it in env of the agent, and resume the agent"
fi

log=$(dirname "$CHIMERA_OUTCOME")/tool.log
: > "$log"
tail -n +1 -f "$log" &
viewer=$!
status=0
# Not through a pipe: a server that the tool left running would hold it open.
sh -c "$CODING_TOOL" < "$1" > "$log" 2>&1 || status=$?
sleep 1
kill "$viewer"

# What counts are the files, compared with the commit that the work began from: a tool may commit as it likes.
head=$(sed -n 's/^ *"head_commit": "\([0-9a-f]*\)".*/\1/p' "$CHIMERA_ASSIGNMENT")
changed=$({ git diff --name-only "$head"; git ls-files --others --exclude-standard; } | wc -l | tr -d ' ')

# The tool's exit code alone is not enough: many end with 0 although they could not log in.
if { [ "$status" != 0 ] || [ "$changed" = 0 ]; } && locked_out; then
    answer unavailable "the coding tool cannot log in or has no quota left; its log says why"
fi
if [ "$status" != 0 ]; then
    answer transient "the coding tool broke off; its log says why"
fi
# With 0 changed files the daemon sends it back, and says so.
answer passed "the coding tool changed $changed files"
