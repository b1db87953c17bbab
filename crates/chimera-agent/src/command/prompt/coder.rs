//! What a coder is told.

use super::{Prompt, inline, numbers, refusal, rules};
use crate::command::Assignment;
use chimera_core::RedProof;

pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let test = assignment.test_path.map_or_else(|| "the frozen test".to_owned(), inline);
    prompt.say(format!(
        "Implement the feature below in the repository in your working directory, so that the end-to-end test {test} passes. \
         That test is frozen. It fails on the unchanged application and will be run against your change in a real browser."
    ));
    prompt.last_trouble(assignment);
    prompt.request(assignment);
    if let Some(red) = assignment.red {
        before(prompt, red, &test);
    }
    refusal::write(prompt, assignment);
    rules::write(prompt, assignment);
    prompt.target(assignment);
    prompt.answer(
        "{\"outcome\": \"passed\", \"summary\": \"what you changed, in one or two sentences\"}",
        &[
            "\"passed\": the change is done.",
            "\"disputed\": the frozen test itself is wrong, and no sensible change of the application can pass it; say why in \
             `summary`. A person decides. Do not bend the application to a wrong test.",
            "\"failed\": you cannot do it; say why in `summary`. The task ends.",
        ],
    );
}

/// How the test fails without the change.
fn before(prompt: &mut Prompt, red: &RedProof, path: &str) {
    let steps = red.test_ids().iter().zip(red.reach()).filter_map(|(id, reach)| {
        let step = reach.failed.as_ref()?;
        let line = step.line.map(|line| format!(" at {path}:{line}")).unwrap_or_default();
        let criteria = if step.criteria.is_empty() {
            String::new()
        } else {
            format!(", criterion {}", numbers(&step.criteria))
        };
        let statement =
            step.statement.as_deref().map(|line| format!("\n  {}", inline(line))).unwrap_or_default();
        Some(format!("{}{line}{criteria}: {}{statement}", inline(id), inline(&step.said)))
    });
    let steps: Vec<String> = steps.collect();
    if !steps.is_empty() {
        prompt.quote("how the test fails on the unchanged application", &steps.join("\n"));
    }
}
