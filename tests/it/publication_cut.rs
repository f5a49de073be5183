//! Cuts the connection at every step of a publication in turn, and runs again.
//!
//! A step is a message of Postgres' protocol. An undisturbed publication finds the messages. Then, for each message, a
//! publication is cut directly before or after it. All tables of the target must have the old number or all the new
//! one. After an undisturbed run they must have the new number, and one publication must be recorded.
//!
//! The messages of one round trip arrive together, so a round trip is cut twice: its request is lost, or its answer.
//! From the commit on, every message is cut. `ELT_TEST_CUTS=all` cuts at every message.

use std::sync::{Arc, Mutex};
use std::thread;

use crate::servers::Postgres;
use crate::shop::{Shop, publications, read, rows};
use crate::wire::{Fate, Message, Side, Wire};

/// The number of projects that are cut at the same time.
const PROJECTS: usize = 3;

type Cut = (usize, Fate);

/// The messages of one publication from 0 to 1, during the whole run of the program.
fn undisturbed() -> Vec<Message> {
    let database = Postgres::shared().database();
    let mut shop = Shop::published(&database.uri, 0);
    let wire = Wire::before(&database.uri);
    let messages = Arc::new(Mutex::new(Vec::new()));
    let seen = messages.clone();
    wire.judge(move |message| {
        seen.lock().expect("messages").push(message.clone());
        Fate::Pass
    });
    shop.turn(1);
    shop.project.set("POSTGRES_URI", &wire.uri);
    shop.project.elt(&["export"]).ok();
    let messages = messages.lock().expect("messages");
    messages.clone()
}

/// Where to cut.
fn cuts(messages: &[Message]) -> Vec<Cut> {
    let last = |holds: fn(&Message) -> bool| messages.iter().rposition(holds).expect("a publication's statements");
    let commit = last(|message| message.tag == b'Q' && message.text.starts_with("COMMIT"));
    let is_all = std::env::var("ELT_TEST_CUTS").is_ok_and(|text| text == "all");
    let mut cuts = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if is_all || index >= commit {
            cuts.extend([(index, Fate::CutBefore), (index, Fate::CutAfter)]);
            continue;
        }
        // The last message of a round trip: Query, Sync, CopyData, CopyDone, or a message of the connection's start.
        let is_request = message.from == Side::Client && matches!(message.tag, b'Q' | b'S' | b'd' | b'c' | b'p' | 0);
        if is_request {
            cuts.extend([(index, Fate::CutBefore), (index, Fate::CutAfter)]);
        }
    }
    // The most important cuts are first.
    cuts.reverse();
    cuts
}

/// Cuts at each of these messages, each in its own project and database.
fn cut_at(cuts: &[Cut]) {
    let database = Postgres::shared().database();
    let mut client = database.client();
    let mut shop = Shop::published(&database.uri, 0);
    let wire = Wire::before(&database.uri);
    for (number, &(step, fate)) in cuts.iter().enumerate() {
        let number = number as u32;
        let mut next = 0;
        wire.judge(move |_| {
            next += 1;
            if next == step + 1 { fate } else { Fate::Pass }
        });
        shop.turn(number + 1);
        let before = publications(&mut client);
        shop.project.set("POSTGRES_URI", &wire.uri);
        let run = shop.project.elt(&["export"]);
        shop.project.set("POSTGRES_URI", &database.uri);
        let when = format!("{fate:?} of message {step}\n{run}");
        let stands = read(&mut client).unwrap_or_else(|error| panic!("{error}, {when}"));
        let (old, new) = (stands == rows(number), stands == rows(number + 1));
        assert!(old || new, "a mixed state, {when}");
        match run.status.code() {
            Some(0) => assert!(new, "not published, {when}"),
            Some(1) if run.stderr.contains("it is unknown whether it was published") => {}
            Some(1) => assert!(old, "published all the same, {when}"),
            _ => panic!("{when}"),
        }
        shop.project.elt(&["export"]).ok();
        assert_eq!(read(&mut client).expect("rows"), rows(number + 1), "run again after {when}");
        assert_eq!(publications(&mut client), before + 1, "publications recorded, {when}");
    }
    let left =
        "select count(*) from pg_class where relnamespace = '_elt'::regnamespace and relname ~ '^(new|rows|gone)_'";
    assert_eq!(database.number(left), 0, "staging tables left");
    shop.project.elt(&["export", "--verify"]).ok();
}

#[test]
fn cut_at_every_step() {
    let messages = undisturbed();
    let cuts = cuts(&messages);
    assert!(cuts.len() > 30, "only {} cuts in {} messages", cuts.len(), messages.len());
    thread::scope(|scope| {
        let cuts = &cuts;
        let projects: Vec<_> = (0..PROJECTS)
            .map(|project| {
                let own: Vec<Cut> = cuts.iter().skip(project).step_by(PROJECTS).copied().collect();
                scope.spawn(move || cut_at(&own))
            })
            .collect();
        for project in projects {
            if let Err(panic) = project.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
