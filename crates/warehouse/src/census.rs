//! Adds up the censuses of loads in `_elt`: of all loads in the raw table, of the last load, and of the loads before
//! it.
//!
//! Only reads. Knows the tables of `state`. Does not know how the counts are shown.

use elt_base::census::{Census, CensusSum, Censuses, TypeCount};
use elt_base::schema::literal;

use super::session::Session;
use super::state::Loaded;
use elt_base::sql_error::SqlError;

impl Session {
    /// The source and the name of every collection that was ever loaded, sorted.
    pub fn loaded_collections(&self) -> Result<Vec<(String, String)>, SqlError> {
        let rows = self.rows("select source, collection from _elt.collections order by all")?;
        let pairs = rows.into_iter().filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(source), Some(collection)]) => Some((source, collection)),
            _ => None,
        });
        Ok(pairs.collect())
    }

    /// The counts of a collection's loads.
    pub fn censuses(&self, source: &str, collection: &str, loaded: &Loaded) -> Result<Censuses, SqlError> {
        let of = format!("source = {} and collection = {}", literal(source), literal(collection));
        let (last, full) = (literal(&loaded.load_id), literal(&loaded.full_load_id));
        let standing = self.sum(&format!("{of} and load_id >= {full}"))?;
        if loaded.load_id != loaded.full_load_id {
            let before = self.sum(&format!("{of} and load_id >= {full} and load_id < {last}"))?;
            let last = self.sum(&format!("{of} and load_id >= {last}"))?;
            return Ok(Censuses { standing, last: Some(last), before: Some(before) });
        }
        let full_before = self
            .value(&format!("select max(load_id) from _elt.loads where {of} and mode = 'full' and load_id < {full}"))?;
        let before = match full_before {
            Some(from) => Some(self.sum(&format!("{of} and load_id >= {} and load_id < {full}", literal(&from)))?),
            None => None,
        };
        Ok(Censuses { standing, last: None, before })
    }

    /// The sum of the censuses of the loads for which `condition` is true.
    fn sum(&self, condition: &str) -> Result<CensusSum, SqlError> {
        let sum = |column: &str| format!("coalesce(sum({column}), 0)::ubigint");
        let totals = self.rows(&format!(
            "select count(*), {}, {} from _elt.loads where {condition}",
            sum("documents"),
            sum("rescued")
        ))?;
        let mut totals = totals.into_iter().flatten().map(number);
        let mut total = || totals.next().unwrap_or(0);
        let (loads, documents, rescued) = (total(), total(), total());
        let counts = self.rows(&format!(
            "select path, bson_type, {}, {}, \
             coalesce(arg_min(example_id, load_id) filter (rescued > 0), arg_min(example_id, load_id)) \
             from _elt.census where {condition} group by path, bson_type",
            sum("\"values\""),
            sum("rescued")
        ))?;
        let mut census = Census::default();
        for row in counts {
            let Ok([Some(path), Some(kind), values, rescued, Some(example)]) = <[Option<String>; 5]>::try_from(row)
            else {
                continue;
            };
            let count = TypeCount { values: number(values), rescued: number(rescued), example };
            census.0.entry(path).or_default().insert(kind, count);
        }
        Ok(CensusSum { loads, documents, rescued, census })
    }
}

fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
