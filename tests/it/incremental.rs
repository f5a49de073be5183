//! Builds days of random changes incrementally. The rows must equal those of a full build of the same documents.
//!
//! Covers every strategy: delete+insert and merge with swept rows, append, children by `parent_key`, microbatch. The
//! changes are the same in every run of the test.

use crate::project::Project;

const DAYS: u32 = 6;
const MODELS: [&str; 5] = ["replaced", "merged", "appended", "children", "daily"];

const FILES: [(&str, &str); 7] = [
    (
        "profiles.toml",
        "[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\ntype = \"files\"\npath = \"seeds/shop\"\n",
    ),
    (
        "models/sources.yml",
        "sources:\n  - name: shop\n    tables:\n      - name: people\n      - name: events\n        config: {event_time: occurred}\n",
    ),
    (
        "models/replaced.sql",
        "{{ config(materialized='incremental', unique_key='id', deletes='sweep') }}\n\
         select number as id, version, amount from {{ source('shop', 'people') }} as p\n\
         {% if is_incremental() %}where not exists (select 1 from {{ this }} t where t.id = p.number and t.version = p.version)\
         {% endif %}",
    ),
    (
        "models/merged.sql",
        "{{ config(materialized='incremental', unique_key=['half', 'id'], incremental_strategy='merge', deletes='sweep') }}\n\
         select nullif(number % 2, 0) as half, number as id, version, amount from {{ source('shop', 'people') }} as p\n\
         {% if is_incremental() %}where version > (select max(version) - 2 from {{ this }}){% endif %}",
    ),
    (
        "models/appended.sql",
        "{{ config(materialized='incremental') }}\n\
         select number as id, first_amount from {{ source('shop', 'events') }}\n\
         {% if is_incremental() %}where number > (select max(id) from {{ this }}){% endif %}",
    ),
    (
        "models/children.sql",
        "{{ config(materialized='incremental', unique_key='tag_id', parent_key='id', deletes='sweep') }}\n\
         with people as (select number as id, version, tags from {{ source('shop', 'people') }} as p\n\
         {% if is_incremental() %}where not exists (select 1 from {{ this }} t where t.id = p.number and t.version = p.version)\
         {% endif %}), each as (select *, unnest(if(len(tags) > 0, range(1, len(tags) + 1), [null])) as ordinal from people)\n\
         select id::varchar || '-' || ordinal as tag_id, id, version, tags[ordinal] as tag from each",
    ),
    (
        "models/daily.sql",
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='occurred', begin='2024-01-01', \
         batch_size='day') }}\n\
         select number as id, occurred, amount, '{{ model.batch.id }}' as batch from {{ source('shop', 'events') }}",
    ),
];

/// A linear congruential generator (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[derive(Clone)]
struct Person {
    id: u64,
    version: u32,
    amount: u64,
    tags: Vec<u64>,
}

#[derive(Clone)]
struct Event {
    id: u64,
    day: u32,
    hour: u64,
    amount: u64,
    first_amount: u64,
}

/// The documents of the source.
#[derive(Default)]
struct Shop {
    people: Vec<Person>,
    events: Vec<Event>,
    /// The last id that was used.
    next: u64,
}

impl Shop {
    /// A day's inserts, updates and deletes. Events change only on their own day and the next.
    fn live(&mut self, day: u32, chance: &mut Chance) {
        self.people.retain(|_| chance.below(8) > 0);
        for person in &mut self.people {
            if chance.below(3) == 0 {
                person.version = day;
                person.amount = chance.below(1000);
                person.tags = (0..chance.below(4)).map(|_| chance.below(9)).collect();
            }
        }
        for _ in 0..20 + chance.below(20) {
            self.next += 1;
            let tags = (0..chance.below(4)).map(|_| chance.below(9)).collect();
            self.people.push(Person { id: self.next, version: day, amount: chance.below(1000), tags });
        }
        for event in self.events.iter_mut().filter(|event| event.day + 1 == day) {
            if chance.below(3) == 0 {
                event.amount = chance.below(1000);
            }
        }
        for _ in 0..30 {
            self.next += 1;
            let (hour, amount) = (chance.below(24), chance.below(1000));
            self.events.push(Event { id: self.next, day, hour, amount, first_amount: amount });
        }
    }

    fn write(&self, project: &Project) {
        let people = self.people.iter().map(|person| {
            let Person { id, version, amount, tags } = person;
            format!("{{\"_id\": {id}, \"number\": {id}, \"version\": {version}, \"amount\": {amount}, \"tags\": {tags:?}}}\n")
        });
        project.write("seeds/shop/people.json", &people.collect::<String>());
        let events = self.events.iter().map(|event| {
            let Event { id, day, hour, amount, first_amount } = event;
            format!(
                "{{\"_id\": {id}, \"number\": {id}, \"occurred\": {{\"$date\": \"2024-01-{day:02}T{hour:02}:30:00Z\"}}, \"amount\": {amount}, \
                 \"first_amount\": {first_amount}}}\n"
            )
        });
        project.write("seeds/shop/events.json", &events.collect::<String>());
    }
}

fn build(project: &Project, from: u32, to: u32, more: &[&str]) {
    let (from, to) = (format!("2024-01-{from:02}"), format!("2024-01-{to:02}"));
    let mut arguments = vec!["build", "--event-time-start", &from, "--event-time-end", &to];
    arguments.extend(more);
    project.elt(&arguments).ok();
}

#[test]
fn incremental_builds_agree_with_full_refreshes() {
    for seed in [1, 2] {
        let (mut chance, mut shop) = (Chance(seed), Shop::default());
        let kept = Project::of(&FILES);
        for day in 1..=DAYS {
            shop.live(day, &mut chance);
            shop.write(&kept);
            build(&kept, day.saturating_sub(1).max(1), day + 1, &[]);
            let fresh = Project::of(&FILES);
            shop.write(&fresh);
            build(&fresh, 1, day + 1, &["--full-refresh"]);
            for model in MODELS {
                let query = format!("select * from {{{{ ref('{model}') }}}} order by all");
                let (kept, fresh) = (kept.query("dev", &query), fresh.query("dev", &query));
                assert!(!fresh.is_empty(), "{model} is empty");
                assert_eq!(kept, fresh, "{model}, seed {seed}, day {day}");
            }
        }
    }
}
