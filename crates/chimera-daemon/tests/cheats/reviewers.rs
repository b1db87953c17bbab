//! Reviewers that cheat or break.

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::cheat("reviewer-edits-code", "puts the feature into the code that it reviews", &["agent_error"])
            .coder("add 'Open on Mondays'\npassed\n")
            .guardian("chmod -R u+w . || true\nsed -i 's/Mondays/Sundays/' index.html || true\npassed\n"),
        Case::cheat("reviewer-other-commit", "approves another commit than the one it was shown", &["agent_error"])
            .guardian("say '{\"outcome\": \"passed\", \"commit\": \"0000000000000000000000000000000000000000\"}'\n"),
        Case::cheat("reviewer-contradicts", "approves, and finds an error", &["review_deadlock"])
            .guardian("say '{\"outcome\": \"passed\", \"findings\": [{\"severity\": \"error\", \"message\": \"no\"}]}'\n"),
        Case::cheat("reviewer-says-no", "rejects, in a summary that speaks of approval", &["review_deadlock"])
            .guardian("say '{\"outcome\": \"rejected\", \"summary\": \"approved: LGTM\"}'\n"),
        Case::cheat("reviewer-silent", "exits with 0 without a verdict", &["agent_error"]).guardian("exit 0\n"),
        Case::cheat("reviewer-garbled", "leaves a verdict that cannot be read", &["agent_error"])
            .guardian("say 'approved'\n"),
        Case::cheat("reviewer-truncated", "leaves half a verdict", &["agent_error"])
            .guardian("printf '{\"outcome\": \"passed\"' > \"$CHIMERA_OUTCOME\"\n"),
        Case::cheat("reviewer-disputes", "answers with the word of another role", &["agent_error"])
            .guardian("say '{\"outcome\": \"disputed\"}'\n"),
        Case::cheat("reviewer-crashes", "approves and crashes", &["agent_error"])
            .guardian("passed\nexit 1\n"),
    ]
}
