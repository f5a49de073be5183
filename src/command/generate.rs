//! `elt generate`: makes the micro-finance sample data, or a day's changes to it.

use std::time::Instant;

use crate::error::Result;
use crate::generate::{self, Plan};
use crate::report::{Console, counted, thousands};

use super::GenerateOptions;

pub fn run(options: &GenerateOptions, console: &Console) -> Result<bool> {
    let plan = Plan {
        customers: options.customers,
        seed: options.seed,
        mutate: options.mutate.unwrap_or(0.0),
        dirty: options.dirty,
    };
    let started = Instant::now();
    let made = match (&options.out, &options.mongodb) {
        (Some(folder), _) => generate::to_folder(&plan, folder)?,
        (None, Some((uri, database))) => generate::to_mongodb(&plan, uri, database)?,
        // The command line asks for one of the two.
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
