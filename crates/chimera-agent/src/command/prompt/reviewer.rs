//! What a reviewer is told.

use super::{Prompt, inline, refusal, short};
use crate::command::Assignment;

/// Most bytes of the change that a prompt shows; all of it is in a file.
const PATCH_BYTES: usize = 48 * 1024;

pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let commit = |commit: Option<&str>| commit.map_or_else(|| "?".to_owned(), |id| short(id).to_owned());
    prompt.say(format!(
        "Review a change that implements the feature below. Your working directory is a read-only copy of the commit {} \
         (base: {}). Look for what a test does not see: wrong behaviour beside the feature, security, data loss, broken error \
         handling, tricks that only satisfy the test. Change nothing: a verdict on a copy that was changed does not count.",
        commit(assignment.head_commit),
        commit(assignment.base_commit)
    ));
    prompt.last_trouble(assignment);
    prompt.request(assignment);
    known(prompt, assignment);
    refusal::before(prompt, assignment);
    if let Some(patch) = assignment.patch {
        let path = assignment.diff_path.map(|path| path.display().to_string()).unwrap_or_default();
        if patch.len() > PATCH_BYTES {
            prompt
                .say(format!("The change is too long to be shown here as a whole; all of it is in {path}."));
        } else {
            prompt.say(format!("The change follows; it is in {path} as well."));
        }
        prompt.quote_most("the change", patch, PATCH_BYTES);
    }
    prompt.answer(
        "{\n  \"outcome\": \"rejected\",\n  \"summary\": \"one or two sentences\",\n  \"findings\": [\n    {\"severity\": \"error\", \
         \"file\": \"app.py\", \"line\": 12, \"message\": \"what is wrong and what to do\"}\n  ]\n}",
        &[
            "\"passed\": you approve. \"rejected\": the change goes back to its author with your findings.",
            "`severity` is \"error\" (must be fixed; rejects whatever `outcome` says), \"warning\" or \"info\". `file` and `line` are \
             optional.",
            "\"failed\": you cannot review it; say why in `summary`. The task ends.",
        ],
    );
}

/// What needs no second look.
fn known(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    if let Some(test) = assignment.test_path {
        prompt.say(format!(
            "The end-to-end test {} is frozen and part of the change; it was checked before, is not to be reviewed, and will be run \
             in a browser once the change is approved.",
            inline(test)
        ));
    }
    let rules = &assignment.rules;
    if rules.checks_passed {
        let mut passed = vec![
            "size, protected paths, lock files, secrets, conflict markers: looked at by the daemon"
                .to_owned(),
        ];
        passed.extend(rules.checks.iter().map(|check| format!("`{check}`")));
        prompt.say("These checks of the change have passed already:");
        prompt.list(&passed);
    }
}
