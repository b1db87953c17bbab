//! The prompt in the arguments of a program, as far as the system takes it.

use chimera_core::limits;
use std::borrow::Cow;

/// Most bytes of a prompt in all arguments together. Linux takes 128 KiB of one argument, and the program's own words have to
/// go beside it.
const ARGUMENT_BYTES: usize = 96 * 1024;

/// Puts the prompt into the arguments that ask for it; tells whether any did. Of a prompt that is too long for them they get
/// the beginning, and are told the file that holds all of it.
pub(super) fn fill(argv: &[String], prompt: &str, prompt_file: &str) -> (Vec<String>, bool) {
    let asks = |arg: &String| arg.contains("{prompt}") || arg.contains("{prompt_file}");
    let times: usize = argv.iter().map(|arg| arg.matches("{prompt}").count()).sum();
    let prompt = shortened(prompt, prompt_file, ARGUMENT_BYTES / times.max(1));
    let filled = argv.iter().map(|arg| {
        // The file's name first: the prompt may hold any text, that mark too.
        arg.split("{prompt}")
            .map(|part| part.replace("{prompt_file}", prompt_file))
            .collect::<Vec<_>>()
            .join(&prompt)
    });
    (filled.collect(), argv.iter().any(asks))
}

fn shortened<'a>(prompt: &'a str, prompt_file: &str, most: usize) -> Cow<'a, str> {
    // An argument ends at its first NUL, so that the system refuses one inside.
    let prompt = if prompt.contains('\0') {
        Cow::Owned(prompt.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(prompt)
    };
    if prompt.len() <= most {
        return prompt;
    }
    let rest = format!(
        "\n----- CUT -----\nThis text is too long for an argument. All of it is in the file {prompt_file}: read that file before \
         you begin.\n"
    );
    let mut text = prompt.into_owned();
    limits::truncate(&mut text, most.saturating_sub(rest.len()));
    Cow::Owned(text + &rest)
}

#[cfg(test)]
mod tests {
    use super::{ARGUMENT_BYTES, fill};

    fn filled(argv: &[&str], prompt: &str) -> Vec<String> {
        fill(&argv.iter().map(ToString::to_string).collect::<Vec<_>>(), prompt, "/private/prompt.md").0
    }

    #[test]
    fn a_prompt_that_fits_is_given_whole() {
        let prompt = "p".repeat(ARGUMENT_BYTES);
        assert_eq!(filled(&["tool", "--ask={prompt}"], &prompt)[1], format!("--ask={prompt}"));
    }

    #[test]
    fn a_prompt_that_is_too_long_is_cut_and_names_its_file_however_often_it_is_wanted() {
        let argv = filled(&["tool", "{prompt}", "{prompt}{prompt}"], &"\u{e4}".repeat(ARGUMENT_BYTES));
        assert!(argv.iter().map(String::len).sum::<usize>() <= ARGUMENT_BYTES + "tool".len());
        assert!(argv[1].ends_with("/private/prompt.md: read that file before you begin.\n"), "{}", argv[1]);
    }

    #[test]
    fn a_prompt_with_a_nul_is_no_argument_that_the_system_refuses() {
        assert_eq!(filled(&["{prompt}"], "a\0b"), ["a\u{fffd}b"]);
    }
}
