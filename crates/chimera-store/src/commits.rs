//! What commits are about, as far as those have to know who wait for one.
//!
//! A commit that makes nothing claimable wakes no claim, and one that cancels nothing no look for cancellations: a daemon
//! that has nothing to do asks the database for nothing, however much the others commit. What changes a task says so where
//! it is written ([`Tx::tells`], [`Change`](crate::change::Change)).

use crate::Tx;
use std::ops::BitOrAssign;
use tokio::sync::watch;

/// How many commits there have been, as far as this process has heard of them: numbers that only grow. Several commits may
/// count as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commits {
    /// That wrote anything.
    pub any: u64,
    /// After which a claim may find what it did not find before, or know better when it will.
    pub claimable: u64,
    /// In which somebody asked to cancel a running task.
    pub cancelled: u64,
}

/// What a commit is about, beside the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    claimable: bool,
    cancelled: bool,
}

impl News {
    /// Of interest to those who follow the journal.
    pub(crate) const JOURNAL: Self = Self { claimable: false, cancelled: false };
    /// A task entered the queue, or what held tasks back is gone.
    pub(crate) const CLAIMABLE: Self = Self { claimable: true, cancelled: false };
    /// Somebody asked to cancel a running task.
    pub(crate) const CANCELLED: Self = Self { claimable: false, cancelled: true };
    /// Nobody knows.
    pub(crate) const ANY: Self = Self { claimable: true, cancelled: true };

    /// As other daemons are told it: a letter each.
    pub(crate) fn letters(self) -> &'static str {
        match (self.claimable, self.cancelled) {
            (false, false) => "j",
            (true, false) => "c",
            (false, true) => "x",
            (true, true) => "cx",
        }
    }

    /// What another daemon says; one of another version may say anything or nothing, which may mean everything.
    pub(crate) fn of_letters(letters: &str) -> Self {
        let known = !letters.is_empty() && letters.chars().all(|letter| "cjx".contains(letter));
        if !known {
            return Self::ANY;
        }
        Self { claimable: letters.contains('c'), cancelled: letters.contains('x') }
    }
}

impl BitOrAssign for News {
    fn bitor_assign(&mut self, other: Self) {
        self.claimable |= other.claimable;
        self.cancelled |= other.cancelled;
    }
}

impl Commits {
    /// What the commits since then are about, taken together.
    pub(crate) fn since(self, before: Self) -> News {
        News { claimable: self.claimable != before.claimable, cancelled: self.cancelled != before.cancelled }
    }
}

/// Tells of a commit.
pub(crate) fn tell(whom: &watch::Sender<Commits>, news: News) {
    whom.send_modify(|commits| {
        commits.any += 1;
        commits.claimable += u64::from(news.claimable);
        commits.cancelled += u64::from(news.cancelled);
    });
}

impl Tx<'_> {
    /// Tells those who wait for what that says, once there is one.
    pub(crate) fn tells(&mut self, news: News) {
        *self.news_mut() |= news;
    }
}

#[cfg(test)]
mod tests {
    use super::News;

    #[test]
    fn what_is_told_is_understood_and_what_an_older_daemon_tells_may_be_anything() {
        for news in [News::JOURNAL, News::CLAIMABLE, News::CANCELLED, News::ANY] {
            assert_eq!(News::of_letters(news.letters()), news);
        }
        for letters in ["", "z", "jz"] {
            assert_eq!(News::of_letters(letters), News::ANY, "{letters:?}");
        }
    }
}
