//! The recorded loads, for people: the last load of each collection, and the loads with quarantined documents. Also
//! changes watermarks by hand.
//!
//! Reads and writes the tables of `state`. Knows no project.

use super::session::Session;
use elt_base::schema::literal;
use elt_base::sql_error::SqlError;

/// The state of a collection after its last recorded load.
#[derive(Debug, Clone)]
pub struct LastLoad {
    pub source: String,
    pub collection: String,
    pub load_id: String,
    /// `full`, `incremental` or `whole`.
    pub mode: Option<String>,
    /// Milliseconds since 1970.
    pub loaded_at: Option<i64>,
    pub documents: Option<u64>,
    /// The rows of the raw table after the load.
    pub rows: Option<u64>,
    /// Canonical Extended JSON.
    pub watermark: Option<String>,
    pub watermark_path: Option<String>,
    /// The source's own counts when the load began and when it ended.
    pub counts: (Option<u64>, Option<u64>),
}

/// A watermark to write.
#[derive(Debug, Clone)]
pub struct WatermarkChange<'a> {
    pub source: &'a str,
    pub collection: &'a str,
    /// Canonical Extended JSON. None deletes the watermark.
    pub watermark: Option<&'a str>,
    /// The path of the watermark. None does not change the path.
    pub path: Option<&'a str>,
}

/// The watermarks that were changed by hand. The table is created by the first change.
const CHANGES: &str = "create table if not exists _elt.watermark_changes (
    changed_at timestamptz not null, source varchar not null, collection varchar not null, before json, after json)";

impl Session {
    /// Every loaded collection, by source and name. Empty if nothing was ever loaded.
    pub fn last_loads(&self) -> Result<Vec<LastLoad>, SqlError> {
        if !super::state::is_ours(self)? {
            return Ok(Vec::new());
        }
        let rows = self.rows(
            "select c.source, c.collection, c.load_id, l.mode, epoch_ms(l.loaded_at), l.documents, l.table_rows, \
             c.watermark::varchar, c.watermark_path, l.source_count_start, l.source_count_end \
             from _elt.collections as c left join _elt.loads as l using (source, collection, load_id) \
             order by c.source, c.collection",
        )?;
        let read = |row: Vec<Option<String>>| {
            let [source, collection, load_id, mode, loaded_at, documents, rows, watermark, watermark_path, start, end] =
                <[Option<String>; 11]>::try_from(row).ok()?;
            Some(LastLoad {
                source: source?,
                collection: collection?,
                load_id: load_id?,
                mode,
                loaded_at: loaded_at.and_then(|millis| millis.parse().ok()),
                documents: number(documents),
                rows: number(rows),
                watermark,
                watermark_path,
                counts: (number(start), number(end)),
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// The loads of a collection with quarantined documents, since the last load that read all of it. Newest first.
    pub fn quarantining_loads(&self, source: &str, collection: &str) -> Result<Vec<String>, SqlError> {
        let rows = self.rows(&format!(
            "with loads as (from _elt.loads where source = {} and collection = {}) \
             select load_id from loads where quarantined > 0 \
             and load_id >= (select max(load_id) from loads where mode in ('full', 'whole')) order by load_id desc",
            literal(source),
            literal(collection)
        ))?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    /// Writes all watermarks or none, and records the old ones in `_elt.watermark_changes`.
    pub fn change_watermarks(&self, changes: &[WatermarkChange<'_>]) -> Result<(), SqlError> {
        self.begin()?;
        let write = || {
            self.execute(CHANGES)?;
            for change in changes {
                let (source, collection) = (literal(change.source), literal(change.collection));
                let watermark = change.watermark.map_or("null".into(), literal);
                let path = change.path.map_or("watermark_path".into(), literal);
                self.execute(&format!(
                    "insert into _elt.watermark_changes select now(), source, collection, watermark, {watermark} \
                     from _elt.collections where source = {source} and collection = {collection}; \
                     update _elt.collections set watermark = {watermark}, watermark_path = {path} \
                     where source = {source} and collection = {collection}"
                ))?;
            }
            self.commit()
        };
        write().inspect_err(|_| self.rollback())
    }
}

fn number(text: Option<String>) -> Option<u64> {
    text?.parse().ok()
}
