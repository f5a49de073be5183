//! What disturbs the commands of the soak test, and what others do to its warehouse and targets.
//!
//! A disturbed command may succeed, fail or die. It must not panic, hang, or end with another exit code.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::random::Random;
use super::{Soak, copy_folder};
use crate::conformance::target::Target;
use crate::main_job::FAILPOINTS;
use crate::servers::{MongoDatabase, postgres_client};
use crate::wire::{Fate, Wire};

/// Where the warehouse and its landing are, and the copy that is restored.
const STATE: &str = ".elt";
const BACKUP: &str = "backup";
/// A command that is killed or interrupted ends within this time.
const END: Duration = Duration::from_secs(20);

/// The relays before the servers, by the variable with the server's URI.
pub struct Lines(Vec<(&'static str, String, Wire)>);

/// How often each fault happened.
#[derive(Default)]
pub struct Counts(BTreeMap<&'static str, usize>);

impl Counts {
    fn add(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&parts.join(", "))
    }
}

impl Lines {
    pub fn new(source: &MongoDatabase, targets: &[(&'static str, Box<dyn Target>)]) -> Self {
        let mut lines = vec![("SOURCE_URI", source.uri.clone(), Wire::before(&source.uri))];
        for (_, target) in targets {
            if let Some(relayed) = target.relay() {
                let environment = target.environment();
                let (_, uri) =
                    environment.iter().find(|(name, _)| *name == relayed.variable).expect("the server's URI");
                lines.push((relayed.variable, uri.clone(), relayed.wire));
            }
        }
        Self(lines)
    }
}

impl Soak {
    /// Runs a command, and disturbs it. Returns what was done.
    pub(super) fn disturb(&mut self, random: &mut Random) -> String {
        let target = *random.one_of(&self.targets.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let command = *random.one_of(&["build", "build", "build", "extract", "run", "export"]);
        let mut arguments = vec![command, "--target", target];
        if command != "export" && command != "extract" && random.chance(0.1) {
            arguments.push("--full-refresh");
        }
        let share = random.below(100);
        let moment = self.whole * share as u32 / 100;
        let called = format!("{command} --target {target}");
        match random.below(9) {
            0..3 => {
                self.counts.add("kills");
                let running = self.project.start(&arguments);
                thread::sleep(moment);
                running.signal("KILL");
                self.ended(running.finish_within(END));
                format!("{called} killed at {share} %")
            }
            3 => {
                self.counts.add("interrupts");
                let running = self.project.start(&arguments);
                thread::sleep(moment);
                running.signal("INT");
                self.ended(running.finish_within(END));
                format!("{called} interrupted at {share} %")
            }
            4 => {
                self.counts.add("failpoints");
                let point = *random.one_of(&FAILPOINTS);
                self.project.set("ELT_FAILPOINT", point);
                let run = self.project.elt(&arguments);
                self.project.unset("ELT_FAILPOINT");
                self.ended(run);
                format!("{called} dies at `{point}`")
            }
            5..7 => {
                self.counts.add("cuts");
                self.cut(random, target, &arguments) + &called
            }
            7 => {
                self.counts.add("full disks");
                let kilobytes = 1 << (4 + random.below(10));
                let run = self.project.elt_on_a_full_disk(kilobytes, &arguments);
                self.ended(run);
                format!("{called} with files of {kilobytes} KB at most")
            }
            _ => {
                self.counts.add("changes meanwhile");
                let running = self.project.start(&arguments);
                // Another command at the same time fails, or waits.
                let other = self.project.start(&["build", "--target", target]);
                thread::sleep(moment / 2);
                self.change_sources(random);
                let other = other.finish();
                self.ended(other);
                self.ended(running.finish());
                format!("{called} twice while sources change")
            }
        }
    }

    /// Runs the command with a relay before the source or the target, which cuts a connection at some message.
    fn cut(&mut self, random: &mut Random, target: &str, arguments: &[&str]) -> String {
        let server = match target {
            "postgres" => "POSTGRES_URI",
            "mysql" => "MYSQL_URI",
            "mongodb" => "MONGODB_URI",
            _ => "SOURCE_URI",
        };
        let variable = if random.chance(0.5) { "SOURCE_URI" } else { server };
        // Most cuts are early, because each connection has few messages.
        let at = 1_usize << random.below(9);
        let at = at + random.below(at);
        let (is_once, fate) = (random.chance(0.7), *random.one_of(&[Fate::CutBefore, Fate::CutAfter]));
        let (_, uri, wire) = self.lines.0.iter().find(|(name, _, _)| *name == variable).expect("a relay");
        let seen = Arc::new(AtomicUsize::new(0));
        wire.judge(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
            number if number == at || (number > at && !is_once) => fate,
            _ => Fate::Pass,
        });
        let (uri, through) = (uri.clone(), wire.uri.clone());
        self.project.set(variable, through);
        let run = self.project.elt(arguments);
        self.project.set(variable, uri);
        self.ended(run);
        format!("{variable} cut {} {at} messages in ", if is_once { "once after" } else { "for good after" })
    }

    /// A command that was disturbed has ended in one of the ways that it may end.
    fn ended(&self, run: crate::project::Run) {
        self.note(&run);
        let may = matches!(run.status.code(), Some(0 | 1)) || run.status.signal().is_some();
        assert!(may, "an exit code that a fault must not cause\n{run}");
    }

    /// What others do: they restore a backup, lose a record, change rows, damage a file. Returns what was done.
    pub(super) fn change_by_hand(&mut self, random: &mut Random) -> Option<String> {
        let state = self.project.path().join(STATE);
        let backup = self.project.path().join(BACKUP);
        match random.below(16) {
            0 => {
                let _ = fs::remove_dir_all(&backup);
                copy_folder(&state, &backup);
                Some("backup".into())
            }
            1 if backup.exists() => {
                self.counts.add("restored backups");
                fs::remove_dir_all(&state).expect("to remove the state");
                copy_folder(&backup, &state);
                Some("backup restored".into())
            }
            2 => {
                self.counts.add("lost warehouses");
                fs::remove_dir_all(&state).expect("to remove the state");
                Some("warehouse lost".into())
            }
            3 if self.compared > 0 => {
                let (name, target) = random.one_of(&self.targets);
                if self.forgotten.contains(name) {
                    return None;
                }
                self.forgotten.push(name);
                self.counts.add("lost records");
                target.forget();
                Some(format!("record of {name} lost"))
            }
            4 if self.compared > 0 => {
                self.counts.add("changes by others");
                let (_, target) = self.targets.iter().find(|(name, _)| *name == "postgres").expect("Postgres");
                let (_, uri) = &target.environment()[0];
                let mut client = postgres_client(uri).unwrap_or_else(|error| panic!("Postgres: {error}"));
                client
                    .batch_execute(
                        "update shop.orders set seen = 'other' where n % 5 = 1; delete from shop.cells where n % 4 = 2",
                    )
                    .expect("a change by hand");
                Some("rows changed in Postgres".into())
            }
            5 => {
                let segments = segments(&state);
                if segments.is_empty() {
                    return None;
                }
                self.counts.add("damaged segments");
                let path = random.one_of(&segments);
                let mut bytes = fs::read(path).expect("a segment");
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
                fs::write(path, bytes).expect("to damage a segment");
                Some("a landed file damaged".into())
            }
            _ => None,
        }
    }
}

/// The landed files, in order.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet")
                && !path.to_string_lossy().contains("/export/")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
