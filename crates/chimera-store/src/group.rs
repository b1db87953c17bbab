//! One transaction of the writer: what many callers want, committed once.

use crate::change::{self, Statement};
use crate::commits::News;
use crate::job::{Answer, Job, Turn};
use crate::session::Session;
use crate::tx::heed_pauses;
use crate::{StoreError, Tx, Value, journal};
use chimera_core::TaskId;
use std::collections::{HashMap, HashSet};

/// An open transaction and those who wait for its commit.
pub(crate) struct Group<'a> {
    session: &'a dyn Session,
    /// Jobs whose changes are still to be made; never two of one task.
    waiting: Vec<Job>,
    tasks: HashSet<TaskId>,
    journal: Vec<Vec<Value>>,
    /// What the commit will be about.
    news: News,
    answers: Vec<Answer>,
    /// Nothing has been written so far that has to be kept.
    clean: bool,
    /// What ended the transaction, which everybody in it is told.
    ended_by: Option<StoreError>,
}

impl<'a> Group<'a> {
    /// For a transaction that has just begun.
    pub(crate) fn new(session: &'a dyn Session) -> Self {
        Self {
            session,
            waiting: Vec::new(),
            tasks: HashSet::new(),
            journal: Vec::new(),
            news: News::JOURNAL,
            answers: Vec::new(),
            clean: true,
            ended_by: None,
        }
    }

    /// Jobs so far.
    pub(crate) fn size(&self) -> usize {
        self.waiting.len() + self.answers.len()
    }

    /// Takes a job in. Closures run now, on top of all that came before them; changes wait for others where that saves
    /// something.
    pub(crate) fn add(&mut self, job: Job) {
        if job.deadline.is_over() {
            return; // Its caller was told so.
        }
        if job.change.is_some() && self.statements_are_cheap() {
            return self.make(vec![job]);
        }
        if job.change.as_ref().is_none_or(|change| self.tasks.contains(&change.id)) {
            self.make_changes();
        }
        match &job.change {
            Some(change) => {
                self.tasks.insert(change.id.clone());
                self.waiting.push(job);
                if self.waiting.len() >= change::MOST {
                    self.make_changes();
                }
            }
            None => self.run(job),
        }
    }

    /// Whether more can be added.
    pub(crate) fn is_open(&self) -> bool {
        self.session.in_transaction()
    }

    fn statements_are_cheap(&self) -> bool {
        self.session.dialect().statements_are_cheap
    }

    /// Makes the changes that wait, one statement for all that share it.
    fn make_changes(&mut self) {
        self.tasks.clear();
        let mut waiting = std::mem::take(&mut self.waiting);
        while let Some(statement) =
            waiting.first().and_then(|job| job.change.as_ref()).map(|change| change.statement)
        {
            let shares = |job: &Job| {
                job.change.as_ref().is_some_and(|change| std::ptr::eq(change.statement, statement))
            };
            let (sharing, others) = waiting.into_iter().partition(shares);
            waiting = others;
            self.make(sharing);
        }
    }

    /// Makes changes that share a statement. One that fails for one of them has done nothing for the others either:
    /// then each closure is run.
    fn make(&mut self, mut jobs: Vec<Job>) {
        let changes = jobs.iter_mut().filter_map(|job| job.change.as_mut());
        let rows: Vec<Vec<Value>> = changes.map(|change| std::mem::take(&mut change.values)).collect();
        let Some(statement) = jobs.iter().find_map(|job| job.change.as_ref()).map(|c| c.statement) else {
            return;
        };
        let made = self.made(statement, &rows);
        let mut made = made.inspect_err(|err| self.note(err)).unwrap_or_default();
        for mut job in jobs {
            let Some(change) = job.change.take() else { continue };
            match made.remove(change.id.as_str()) {
                Some(seq) => {
                    self.news |= change.news;
                    self.journal.push(change.journal(seq));
                    self.answers.push((job.run)(Turn::Made).answer);
                }
                None => self.run(job),
            }
        }
    }

    /// Runs a shared statement. Where that is not one part of the transaction by itself, it is made one.
    fn made(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<HashMap<String, i64>, StoreError> {
        if !self.statements_are_cheap() {
            let made = self.begin().and_then(|()| statement.change(self.session, rows));
            self.end(made.is_ok());
            return made;
        }
        if !self.session.in_transaction() {
            return Err(self.rolled_back());
        }
        let made = statement.change(self.session, rows)?;
        self.clean &= made.is_empty();
        Ok(made)
    }

    fn run(&mut self, job: Job) {
        if let Err(err) = self.begin() {
            return job.refuse(err);
        }
        if let Err(err) = job.deadline.allow(self.session) {
            return job.refuse(err);
        }
        let mut tx = Tx::new(self.session, job.alone);
        let ran = (job.run)(Turn::Run(&mut tx));
        let (journal, news) = tx.into_parts();
        // A failure that the closure did not pass on: the database makes nothing of it all the same.
        let unnoticed = if ran.failed.is_none() { self.session.failed() } else { None };
        if let Some(err) = ran.failed.as_ref().or(unnoticed.as_ref()) {
            self.note(err);
        }
        if self.end(ran.failed.is_none() && unnoticed.is_none()) {
            self.journal.extend(journal);
            self.news |= news;
        }
        match unnoticed {
            Some(err) => (ran.answer)(Err(err)),
            None => self.answers.push(ran.answer),
        }
    }

    /// Remembers the first error after which there is no transaction any more.
    fn note(&mut self, err: &StoreError) {
        if self.ended_by.is_none() && !self.session.in_transaction() && err.is_of_the_database() {
            self.ended_by = Some(err.clone());
        }
    }

    /// What those are told whose transaction is gone. Some errors (full disk, a lost connection) end all of it.
    fn rolled_back(&self) -> StoreError {
        self.ended_by.clone().unwrap_or(StoreError::Busy)
    }

    /// Begins a part that can be undone. As long as there is nothing to be kept, that needs no savepoint.
    fn begin(&self) -> Result<(), StoreError> {
        match (self.session.in_transaction(), self.clean) {
            (true, true) => Ok(()),
            (true, false) => self.session.later("SAVEPOINT part", &[]),
            (false, _) => Err(self.rolled_back()),
        }
    }

    /// Ends the part; true if its writes are kept.
    fn end(&mut self, keep: bool) -> bool {
        let session = self.session;
        if !session.in_transaction() {
            return false;
        }
        let ended = match (self.clean, keep) {
            (true, true) => Ok(()),
            (true, false) => {
                let again = || session.later(session.dialect().begin_write, &[]);
                session.batch("ROLLBACK").and_then(|()| again()).and_then(|()| heed_pauses(session))
            }
            (false, true) => session.later("RELEASE part", &[]),
            (false, false) => session.batch("ROLLBACK TO part; RELEASE part"),
        };
        self.clean &= !keep;
        if let Err(err) = &ended {
            tracing::error!(error = %err, "cannot end a part of a transaction; rolling it back");
            roll_back(session);
            self.note(err);
        }
        ended.is_ok() && keep
    }

    /// Commits, calls `committed` with what that was about if it worked, and answers everybody: that it is durable, if `committed` agrees. What is
    /// to be run `besides` does not wait for anybody.
    pub(crate) fn commit(
        mut self,
        besides: Option<&str>,
        committed: impl FnOnce(News) -> Result<(), StoreError>,
    ) {
        self.make_changes();
        let session = self.session;
        let result = if session.in_transaction() {
            // Before the journal, whose lock others wait for.
            let ready = besides.map_or(Ok(()), |sql| session.later(sql, &[]));
            ready.and_then(|()| journal::write(session, &self.journal)).and_then(|()| session.batch("COMMIT"))
        } else {
            Err(self.rolled_back())
        };
        let result = result.inspect_err(|_| roll_back(session)).and_then(|()| committed(self.news));
        for answer in self.answers {
            answer(result.clone());
        }
    }
}

fn roll_back(session: &dyn Session) {
    if session.in_transaction() {
        let _ = session.batch("ROLLBACK");
    }
}
