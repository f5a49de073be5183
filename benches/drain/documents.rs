//! The generated sets of documents: `wide` (about 20 KB, mixed fields with long texts and arrays) and `nested` (about
//! 1.5 KB, seven levels of objects and arrays of objects). The documents are the same each time.
//!
//! Knows nothing of files and servers.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, doc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// 2025-01-01T00:00:00Z.
const START_MILLIS: i64 = 1_735_689_600_000;
const DAY_MILLIS: i64 = 86_400_000;

#[rustfmt::skip]
const WORDS: [&str; 40] = [
    "the", "of", "and", "loan", "customer", "branch", "visit", "paid", "officer", "market", "season", "harvest",
    "agreed", "income", "shop", "family", "school", "fees", "repaired", "stock", "maize", "transport", "weekly",
    "called", "promised", "group", "savings", "because", "after", "before", "new", "late", "delivered", "signed",
    "élève", "Nyambura", "naïve", "Kisumu", "señal", "größer",
];
const TOWNS: [&str; 8] = ["Nairobi", "Kisumu", "Mombasa", "Nakuru", "Eldoret", "Thika", "Malindi", "Kitale"];
const STATES: [&str; 5] = ["open", "waiting", "approved", "rejected", "closed"];

/// `count` documents of the set with that name. None if the set does not exist.
pub fn of_set(name: &str, count: u64) -> Option<impl Iterator<Item = Document>> {
    let one = match name {
        "wide" => wide,
        "nested" => nested,
        _ => return None,
    };
    let mut random = ChaCha8Rng::seed_from_u64(7);
    Some((0..count).map(move |number| one(number, &mut random)))
}

/// A customer's file: simple fields, a long text, and arrays of values and of objects.
fn wide(number: u64, random: &mut ChaCha8Rng) -> Document {
    let visits: Vec<Document> = (0..random.random_range(20..40)).map(|_| visit(random)).collect();
    let notes: Vec<String> = (0..random.random_range(6..14)).map(|_| text(120, random)).collect();
    let balances: Vec<f64> = (0..120).map(|_| f64::from(random.random_range(0..10_000_000)) / 100.0).collect();
    let tags: Vec<&str> = (0..random.random_range(0..12)).map(|_| pick(&WORDS, random)).collect();
    let days: Vec<DateTime> = (0..40).map(|_| date(random)).collect();
    let mut document = doc! {
        "_id": id(number, random),
        "file_no": format!("F{number:09}"),
        "version": 3,
        "title": text(8, random),
        "summary": text(500, random),
        "is_active": random.random_bool(0.8),
        "opened_at": date(random),
        "closed_at": if random.random_bool(0.3) { Bson::DateTime(date(random)) } else { Bson::Null },
        "limit": decimal(random),
        "score": random.random_range(300..850),
        "views": random.random_range(0..i64::MAX),
        "ratio": random.random::<f64>(),
        "address": { "street": text(3, random), "town": pick(&TOWNS, random), "lat": -1.28, "lon": 36.82 },
        "photo": Binary { subtype: BinarySubtype::Generic, bytes: bytes(600, random) },
        "key": Binary { subtype: BinarySubtype::Uuid, bytes: bytes(16, random) },
        "tags": tags,
        "balances": balances,
        "days": days,
        "notes": notes,
        "visits": visits,
    };
    for field in 0..30 {
        let value = match field % 5 {
            0 => Bson::String(text(4, random)),
            1 => Bson::Int32(random.random_range(0..100_000)),
            2 => Bson::Double(random.random()),
            3 => Bson::Boolean(random.random()),
            _ => decimal(random),
        };
        // Documents of one collection rarely have all the same fields.
        if random.random_bool(0.9) {
            document.insert(format!("answer_{field:02}"), value);
        }
    }
    document
}

fn visit(random: &mut ChaCha8Rng) -> Document {
    doc! {
        "at": date(random),
        "officer": id(0, random),
        "town": pick(&TOWNS, random),
        "minutes": random.random_range(5..180),
        "collected": decimal(random),
        "remark": text(12, random),
    }
}

/// An application with its history: `request.parties[].address.geo.source.checks[].result.code`.
fn nested(number: u64, random: &mut ChaCha8Rng) -> Document {
    let parties: Vec<Document> = (0..random.random_range(1..4)).map(|_| party(random)).collect();
    let steps: Vec<Document> = (0..random.random_range(2..5)).map(|_| step(random)).collect();
    doc! {
        "_id": id(number, random),
        "request": {
            "no": i64::try_from(number).unwrap_or(i64::MAX),
            "channel": pick(&["app", "branch", "agent"], random),
            "parties": parties,
        },
        "process": { "state": pick(&STATES, random), "steps": steps },
        "updated_at": date(random),
    }
}

fn party(random: &mut ChaCha8Rng) -> Document {
    let checks: Vec<Document> = (0..random.random_range(1..3))
        .map(|_| {
            doc! {
                "kind": pick(&["survey", "visit", "photo"], random),
                "result": { "code": random.random_range(0..9), "is_final": random.random_bool(0.5) },
            }
        })
        .collect();
    doc! {
        "role": pick(&["borrower", "guarantor", "spouse"], random),
        "name": text(2, random),
        "address": {
            "town": pick(&TOWNS, random),
            "geo": {
                "lat": -4.0 + random.random::<f64>() * 8.0,
                "lon": 34.0 + random.random::<f64>() * 6.0,
                "source": { "device": id(0, random), "at": date(random), "checks": checks },
            },
        },
    }
}

fn step(random: &mut ChaCha8Rng) -> Document {
    let amounts: Vec<Document> = (0..random.random_range(1..3))
        .map(|_| doc! { "currency": "KES", "value": decimal(random), "parts": { "fee": random.random_range(0..500) } })
        .collect();
    let mut step = doc! {
        "state": pick(&STATES, random),
        "at": date(random),
        "by": { "officer": format!("OFF{:03}", random.random_range(1..60)), "team": { "town": pick(&TOWNS, random) } },
        "offer": { "amounts": amounts },
    };
    if random.random_bool(0.4) {
        step.insert("remark", text(5, random));
    }
    step
}

/// Ascending ids, like those of a server.
fn id(number: u64, random: &mut ChaCha8Rng) -> ObjectId {
    let seconds = START_MILLIS / 1000 + i64::try_from(number / 10).unwrap_or(0);
    ObjectId::from_parts(u32::try_from(seconds).unwrap_or(u32::MAX), random.random(), random.random())
}

fn date(random: &mut ChaCha8Rng) -> DateTime {
    DateTime::from_millis(START_MILLIS + random.random_range(0..365 * DAY_MILLIS))
}

fn decimal(random: &mut ChaCha8Rng) -> Bson {
    let cents = random.random_range(0..100_000_000);
    // Always a number.
    let value = format!("{}.{:02}", cents / 100, cents % 100).parse::<Decimal128>();
    value.map_or(Bson::Null, Bson::Decimal128)
}

fn text(words: usize, random: &mut ChaCha8Rng) -> String {
    let words: Vec<&str> = (0..words).map(|_| pick(&WORDS, random)).collect();
    words.join(" ")
}

fn bytes(count: usize, random: &mut ChaCha8Rng) -> Vec<u8> {
    (0..count).map(|_| random.random()).collect()
}

fn pick<'a>(among: &[&'a str], random: &mut ChaCha8Rng) -> &'a str {
    among[random.random_range(0..among.len())]
}
