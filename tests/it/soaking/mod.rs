//! The rounds of the soak test: one project, whose sources and models change, whose commands are disturbed, and which
//! publishes to every target.
//!
//! All targets share one warehouse. Each round changes sources and models, runs commands that are killed, cut off or
//! disturbed otherwise, and then one build that must succeed.

mod comparison;
mod faults;
mod models;
mod random;
mod sources;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use elt_warehouse::{Session, Warehouse};

use self::faults::{Counts, Lines};
use self::models::Mart;
use self::random::Random;
use self::sources::{Clock, Collection};
use crate::conformance::TARGETS;
use crate::conformance::target::Target;
use crate::project::{Project, Run};
use crate::servers::{Mongo, MongoDatabase};

/// The file with all commands, in the project's folder.
pub const LOG: &str = "soak.log";
/// The folder of the files that the project reads.
const DROP: &str = "drop";
/// The number of disturbed commands of a round.
const FAULTS_MAX: usize = 4;
/// The passwords of the servers begin so, and must be in no output.
const SECRET: &str = "hush-";

pub struct Soak {
    seed: u64,
    /// Compares all after so many rounds.
    every: u64,
    project: Project,
    mongo: MongoDatabase,
    collections: Vec<Collection>,
    marts: Vec<Mart>,
    targets: Vec<(&'static str, Box<dyn Target>)>,
    lines: Lines,
    clock: Clock,
    /// Writes Parquet files.
    _writer: Warehouse,
    session: Session,
    /// The duration of the last undisturbed build.
    whole: Duration,
    counts: Counts,
    compared: usize,
    /// The targets that lost their record since everything was published.
    forgotten: Vec<&'static str>,
}

impl Soak {
    pub fn new(seed: u64, every: u64) -> Self {
        let mut random = Random::new(seed, u64::MAX);
        let mut project = Project::empty();
        let mongo = Mongo::shared().database();
        let targets: Vec<_> = TARGETS.iter().map(|(name, fresh)| (*name, fresh())).collect();
        let lines = Lines::new(&mongo, &targets);
        project.set("SOURCE_URI", &mongo.uri).set("SOURCE_DATABASE", &mongo.name);
        for (_, target) in &targets {
            for (name, value) in target.environment() {
                project.set(name, value);
            }
        }
        project.write("profiles.toml", &profiles(&targets, &mut random));
        fs::create_dir_all(project.path().join(DROP)).expect("a folder");
        let writer = Warehouse::in_memory(&project.path(), "writer").expect("a database");
        let session = writer.session().expect("a session");
        let mut collections = sources::all(&mut random);
        let mut clock = Clock::new();
        for collection in &mut collections {
            let change = collection.change(&mut random, &mut clock);
            collection.write(&change, &mongo, &project.path().join(DROP), &session);
        }
        let marts = models::all(&mut random, &collections);
        let soak = Self {
            seed,
            every,
            project,
            mongo,
            collections,
            marts,
            targets,
            lines,
            clock,
            _writer: writer,
            session,
            whole: Duration::from_secs(3),
            counts: Counts::default(),
            compared: 0,
            forgotten: Vec::new(),
        };
        soak.write_models();
        soak
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn folder(&self) -> PathBuf {
        self.project.path()
    }

    pub fn summary(&self) -> String {
        let rows: usize = self.collections.iter().map(|collection| collection.rows.len()).sum();
        format!("{}; {} comparisons, at last of {rows} documents, without a difference", self.counts, self.compared)
    }

    /// Writes the documents of the MongoDB collections beside the project, because the server goes away.
    pub fn keep_sources(&self) {
        for collection in self.collections.iter().filter(|collection| collection.place == sources::Place::Mongo) {
            self.project.write(&format!("{DROP}/kept/{}.jsonl", collection.name), &collection.json_lines());
        }
    }

    pub fn round(&mut self, round: u64, is_last: bool) {
        let started = Instant::now();
        let mut random = Random::new(self.seed, round);
        let mut told = Vec::new();
        self.log(&format!("round {round}"));
        if round > 0 {
            if random.chance(0.4) {
                told.push(models::change(&mut random, &mut self.marts, &mut self.collections, round));
                self.write_models();
            }
            told.extend(self.change_by_hand(&mut random));
        }
        let changed = self.change_sources(&mut random);
        told.push(format!("{changed} collections changed"));
        for _ in 0..random.below(FAULTS_MAX + 1) {
            let fault = self.disturb(&mut random);
            self.log(&format!("  {fault}"));
            told.push(fault);
            if random.chance(0.3) {
                self.change_sources(&mut random);
            }
        }
        let at = random.below(self.targets.len());
        let target = self.targets[at].0;
        let mut arguments = vec!["build", "--target", target, "--allow-destructive"];
        if random.chance(0.1) {
            arguments.push("--full-refresh");
        }
        let build = Instant::now();
        self.must(&arguments);
        self.whole = build.elapsed();
        told.push(arguments.join(" "));
        if is_last || (round + 1).is_multiple_of(self.every) {
            self.compare();
            told.push("compared".into());
        }
        told.retain(|part| !part.is_empty());
        println!("round {round}: {}; {:.1} s", told.join("; "), started.elapsed().as_secs_f64());
    }

    /// Changes some collections. Returns how many.
    fn change_sources(&mut self, random: &mut Random) -> usize {
        let drop = self.project.path().join(DROP);
        let (mut changed, mut is_lost) = (0, false);
        for collection in &mut self.collections {
            if random.chance(0.3) && !collection.is_due() {
                continue;
            }
            if collection.is_file_of_columns()
                && random.chance(0.05)
                && let Some(gone) = collection.lose_column(random, &mut self.clock)
            {
                // A full load removes it from the raw table, too.
                self.marts.iter_mut().filter(|mart| mart.name == collection.name).for_each(|mart| mart.forget(&gone));
                is_lost = true;
            }
            let change = collection.change(random, &mut self.clock);
            collection.write(&change, &self.mongo, &drop, &self.session);
            changed += 1;
        }
        if is_lost {
            self.write_models();
        }
        changed
    }

    fn write_models(&self) {
        let folder = self.project.path().join("models");
        let _ = fs::remove_dir_all(&folder);
        let mut sources = "version: 2\nsources:\n".to_owned();
        for name in ["live", "drop"] {
            let _ = write!(sources, "  - name: {name}\n    tables:\n");
            for collection in self.collections.iter().filter(|collection| collection.source == name) {
                sources += &collection.yaml();
            }
        }
        self.project.write("models/sources.yml", &sources);
        let mut yaml = "version: 2\nmodels:\n".to_owned();
        for mart in &self.marts {
            yaml += &mart.yaml();
            self.project.write(&format!("models/marts/{}.sql", mart.name), &mart.sql());
        }
        self.project.write("models/marts/models.yml", &yaml);
    }

    /// Runs a command that must succeed.
    fn must(&mut self, arguments: &[&str]) -> Run {
        let run = self.project.elt(arguments);
        self.note(&run);
        run.ok()
    }

    fn note(&self, run: &Run) {
        self.log(&format!("  {}: {}\n{}", run.command, run.status, run.stderr));
        assert!(!run.stderr.contains("panicked at"), "a panic\n{run}");
        assert!(
            !run.stderr.contains(SECRET) && !run.stdout.contains(SECRET),
            "a password in the output of {}",
            run.command
        );
    }

    fn log(&self, line: &str) {
        let path = self.project.path().join(LOG);
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the log of commands");
        writeln!(file, "{line}").expect("to write the log");
    }
}

fn profiles(targets: &[(&str, Box<dyn Target>)], random: &mut Random) -> String {
    let mut text = "[project]\nname = \"soak\"\ntarget = \"dev\"\n".to_owned();
    let names = ["dev"].into_iter().chain(targets.iter().map(|(name, _)| *name));
    for name in names {
        let _ = write!(
            text,
            "\n[target.{name}]\nwarehouse = \".elt/all/warehouse.duckdb\"\nthreads = {}\n\
             [target.{name}.sources.live]\ntype = \"mongodb\"\nuri = \"${{SOURCE_URI}}\"\ndatabase = \"${{SOURCE_DATABASE}}\"\n\
             [target.{name}.sources.drop]\ntype = \"files\"\npath = \"{DROP}\"\n",
            1 + random.below(4)
        );
    }
    for (name, target) in targets {
        let _ = write!(text, "\n[target.{name}.export]\n{}", target.profile());
    }
    text
}

/// Copies a folder's files, but no sockets.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else if path.is_file() {
            fs::copy(&path, &copy).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
