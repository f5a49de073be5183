//! `elt generate`: creates the micro-finance sample data, or applies a day's changes to it.

use std::time::Instant;

use crate::report::Console;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_base::numbers::thousands;
use elt_base::secret::Secret;
use elt_connect::mongodb::Connection;
use elt_project::Environment;
use elt_sample::{MongodbPlace, Plan};

use super::{Common, GenerateOptions};

pub fn run(common: &Common, options: &GenerateOptions, console: &Console) -> Result<bool> {
    let plan = Plan {
        customers: options.customers,
        seed: options.seed,
        mutate: options.mutate.unwrap_or(0.0),
        dirty: options.dirty,
    };
    let started = Instant::now();
    let made = match (&options.out, &options.mongodb) {
        (Some(folder), _) => elt_sample::to_folder(&plan, folder)?,
        (None, Some((uri, database))) => {
            let uri = &Secret::new(Environment::read(&common.project_dir)?.argument(uri.reveal())?);
            let connection = Connection::open(uri, |cause| elt_sample::messages::mongodb_generate(&cause))?;
            let database = connection.client.database(database);
            elt_sample::to_mongodb(&plan, MongodbPlace { database, runtime: &connection.runtime, uri })?
        }
        // The command line requires one of the two.
        (None, None) => Vec::new(),
    };
    for one in &made {
        let changes = if options.mutate.is_some() {
            format!(
                "  {} inserted, {} updated, {} deleted",
                thousands(one.inserted),
                thousands(one.updated),
                thousands(one.deleted)
            )
        } else {
            String::new()
        };
        let name = one.collection.name();
        console.say(&format!(
            "  {name:<24} {:>18}  {:>8.1} MB{changes}",
            counted(one.documents, "documents"),
            one.bytes as f64 / 1e6
        ));
    }
    let (documents, bytes) =
        made.iter().fold((0, 0), |(documents, bytes), one| (documents + one.documents, bytes + one.bytes));
    console.say(&format!(
        "{} ({:.1} MB of BSON) in {:.1} s",
        counted(documents, "documents"),
        bytes as f64 / 1e6,
        started.elapsed().as_secs_f64()
    ));
    Ok(true)
}
