//! What a deployer is told.

use super::Prompt;
use crate::command::Assignment;

pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let head = assignment.head_commit.unwrap_or("?");
    prompt.say(format!(
        "Deploy the commit {head} to staging. It is checked out in your working directory. The deployment must serve exactly this \
         commit, over http, until the test has run there."
    ));
    prompt.last_trouble(assignment);
    prompt.request(assignment);
    if let Some(url) = assignment.staging_url {
        prompt.quote("where it is to be staged", url);
    }
    prompt.target(assignment);
    prompt.answer(
        &format!(
            "{{\n  \"outcome\": \"passed\",\n  \"summary\": \"one or two sentences\",\n  \"deployment_url\": \"http://...\",\n  \
             \"revision\": \"{head}\"\n}}"
        ),
        &[
            "\"passed\": it is deployed. `revision` is the commit that the deployment serves; `deployment_url` is where a browser \
             finds it.",
            "\"failed\": it cannot be deployed; say why in `summary`. The task ends.",
        ],
    );
}
