//! Finds, by SQL in the warehouse, values that a cast to the target's type cannot keep, for targets that DuckDB itself
//! writes: which rows are published with other values, and which are set aside.
//!
//! The queries return the same rows until the publication ends, so the conditions may be evaluated again. In every
//! expression `r` is a row of the relation. Knows no target.

use super::capabilities::Capabilities;
use super::changes::{Queries, TextRows};
use super::contract::Table;
use super::difference::KEYS_SHOWN;
use super::duck_type::DuckType;
use super::target::{Cause, Faults, FaultyColumn, FaultyTable, Hazard, Replacement, STAGED_ENTRY, check_set_aside};
use elt_base::error::Result;
use elt_base::schema::{literal, quote};
use elt_project::OnHazard;

/// Why a value does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CastHazard {
    /// It does not convert. NULL.
    Conversion,
    /// It converts, with fewer digits. Rounded.
    Digits,
    /// It converts, without its time of day or parts of a second. Rounded.
    Time,
    /// Parts of a nested value do not convert, or with fewer digits. NULL, or rounded.
    Parts,
}

impl CastHazard {
    const ALL: [Self; 4] = [Self::Conversion, Self::Digits, Self::Time, Self::Parts];

    /// The number that stands for it in SQL.
    fn number(self) -> usize {
        Self::ALL.iter().position(|hazard| *hazard == self).unwrap_or(0)
    }
}

impl Hazard for CastHazard {
    fn text(self) -> &'static str {
        match self {
            Self::Conversion => "not of the column's type",
            Self::Digits => "more digits than the column holds",
            Self::Time => "finer than the column holds",
            Self::Parts => "parts that are not of the column's type",
        }
    }

    fn replacement(self) -> Replacement {
        match self {
            Self::Conversion => Replacement::Null,
            Self::Digits | Self::Time => Replacement::Nearest("rounded values"),
            Self::Parts => Replacement::Nearest("the nearest value, or NULL, in their place"),
        }
    }
}

/// A column that is cast to another type.
pub struct SqlCast {
    /// The column's position in the table.
    pub column: usize,
    /// The value before the cast, an expression.
    pub value: String,
    /// The types, as DuckDB spells them.
    pub from: String,
    pub to: String,
}

/// The casts of one table.
pub struct SqlScreen<'a> {
    pub capabilities: &'a Capabilities,
    pub table: &'a Table,
    /// The name of its quarantine.
    pub beside: &'a str,
    pub casts: Vec<SqlCast>,
    /// All rows of the relation, a query.
    pub all: &'a str,
}

/// What became of the rows of a query.
#[derive(Debug, Default)]
pub struct Screened {
    pub notes: Vec<String>,
    /// How many rows have an entry in the quarantine, and how many of them are not published.
    pub entries: u64,
    pub aside: u64,
}

impl SqlScreen<'_> {
    /// Screens the rows of a query; `run` runs SQL in the warehouse.
    ///
    /// # Errors
    /// Values in columns whose policy is to fail, with their counts and keys; too many rows that are not published.
    pub fn run(&self, rows: &str, run: &mut dyn FnMut(&str) -> Result<TextRows>) -> Result<Screened> {
        let mut screened = Screened::default();
        if self.casts.is_empty() {
            return Ok(screened);
        }
        let numbers = |rows: TextRows| -> Vec<u64> {
            let texts = rows.into_iter().flatten().map(|text| text.and_then(|text| text.parse().ok()).unwrap_or(0));
            texts.collect()
        };
        // One pass if all values fit.
        let any = self.any(|_| true);
        if numbers(run(&format!("select count(*) from ({rows}) as r where {any}"))?) == [0] {
            return Ok(screened);
        }
        let mut faults: Faults<CastHazard> = Faults::default();
        for cast in &self.casts {
            for row in run(&self.counted(cast, rows))? {
                let mut texts = row.into_iter().map(Option::unwrap_or_default);
                let mut next = || texts.next().unwrap_or_default();
                let hazard = next().parse().ok().and_then(|number: usize| CastHazard::ALL.get(number).copied());
                let hazard = hazard.unwrap_or(CastHazard::Conversion);
                let (is_aside, values) = (next() == "true", next().parse().unwrap_or(0));
                let keys = next().split('\u{1f}').map(str::to_owned).collect();
                faults.add_counted(cast.column, hazard, is_aside, values, keys);
            }
        }
        let columns = self.table.columns.iter().map(|column| FaultyColumn {
            name: &column.name,
            on_hazard: column.on_hazard,
            may_be_null: !column.not_null,
        });
        screened.notes = faults.judge(&FaultyTable {
            capabilities: self.capabilities,
            name: &self.table.name,
            beside: self.beside,
            key: &self.table.key,
            columns: columns.collect(),
        })?;
        let (aside, kept) = (self.aside(), self.kept());
        let counts = numbers(run(&format!(
            "select count(*) filter (where {aside}), count(*) filter (where {kept}) from ({rows}) as r where {any}"
        ))?);
        if let [aside, kept] = counts[..] {
            (screened.aside, screened.entries) = (aside, kept);
            check_set_aside(aside, kept - aside.min(kept), &self.table.name, self.beside, &mut screened.notes)?;
        }
        Ok(screened)
    }

    /// The rows of a query that are published.
    pub fn published(&self, rows: &str) -> String {
        format!("select * from ({rows}) as r where not {}", self.aside())
    }

    /// The keys of rows that are not published are removed, too.
    pub fn with_aside(&self, queries: &Queries) -> Option<String> {
        let keys: Vec<_> = self.table.key.iter().map(|name| quote(name)).collect();
        let (keys, rows, aside) = (keys.join(", "), &queries.rows, self.aside());
        let deletes = queries.deletes.as_ref()?;
        Some(format!("select {keys} from ({deletes}) union all select {keys} from ({rows}) as r where {aside}"))
    }

    /// The entries of the quarantine: the key's columns by these names and types, then those of staged entries.
    pub fn entries(&self, rows: &str, key: &[(String, String)]) -> String {
        let (aside, kept) = (self.aside(), self.kept());
        let key = self.table.key.iter().zip(key).map(|(own, (name, sql_type))| {
            let value = format!("try_cast(r.{} as {sql_type})", quote(own));
            match self.cast_of(own) {
                Some(cast) => {
                    format!("case when {aside} and {} then null else {value} end as {}", cast.is_odd(), quote(name))
                }
                None => format!("{value} as {}", quote(name)),
            }
        });
        let key: Vec<String> = key.collect();
        // The column whose policy sets the row aside comes first.
        let policy = |cast: &SqlCast| self.table.columns[cast.column].on_hazard;
        let (first, rest): (Vec<_>, Vec<_>) = self.casts.iter().partition(|cast| policy(cast) == OnHazard::Quarantine);
        let of_first = |of: &dyn Fn(&SqlCast) -> String| {
            let cases = first.iter().chain(&rest).map(|cast| format!(" when {} then {}", cast.is_odd(), of(cast)));
            format!("case{} end", cases.collect::<String>())
        };
        let column = of_first(&|cast| literal(&self.table.columns[cast.column].name));
        let hazard = of_first(&|cast| {
            let conversion = literal(CastHazard::Conversion.text());
            let loss = cast.loses().map_or(conversion.clone(), |(hazard, _)| literal(hazard.text()));
            format!("if({} = 0, {conversion}, {loss})", cast.hazard())
        });
        let fields = self
            .table
            .columns
            .iter()
            .map(|column| format!("{}, r.{}::varchar", literal(&column.name), quote(&column.name)));
        let is_of_key = self.any(|cast| self.is_key(cast));
        let values = [
            column,
            hazard,
            format!("json_object({})", fields.collect::<Vec<_>>().join(", ")),
            format!("not {aside}"),
            format!("case when {is_of_key} then {} end", literal(Cause::Key.word())),
        ];
        let own = values.iter().zip(STAGED_ENTRY).map(|(value, name)| format!("{value} as {name}"));
        let selected = key.into_iter().chain(own).collect::<Vec<_>>().join(", ");
        format!("select {selected} from ({rows}) as r where {kept}")
    }

    /// A row for each hazard of a column: the hazard, whether rows are set aside, how many values, and some keys.
    fn counted(&self, cast: &SqlCast, rows: &str) -> String {
        let key: Vec<_> = self.table.key.iter().map(|name| format!("r.{}::varchar", quote(name))).collect();
        let (key, rows) = match key.as_slice() {
            [] => (
                "'row ' || r._elt_number".to_owned(),
                format!("select *, row_number() over () as _elt_number from ({rows})"),
            ),
            [one] => (one.clone(), rows.to_owned()),
            several => (format!("'(' || concat_ws(', ', {}) || ')'", several.join(", ")), rows.to_owned()),
        };
        format!(
            "select {}, {}, count(*), array_to_string(list({key} order by {key})[1:{KEYS_SHOWN}], chr(31)) \
             from ({rows}) as r where {} group by 1, 2 order by 1, 2",
            cast.hazard(),
            self.aside(),
            cast.is_odd()
        )
    }

    /// Whether a row is set aside.
    fn aside(&self) -> String {
        let mut parts = Vec::new();
        let mut is_held = Vec::new();
        for cast in &self.casts {
            let column = &self.table.columns[cast.column];
            match column.on_hazard {
                OnHazard::Fail => {}
                OnHazard::Quarantine => parts.push(cast.is_odd()),
                OnHazard::Replace => {
                    if column.not_null || self.is_key(cast) {
                        parts.push(format!("{} = 0", cast.hazard()));
                    }
                    if self.is_key(cast) && cast.loses().is_some() {
                        is_held.push(format!("{} > 0", cast.hazard()));
                    }
                }
            }
        }
        if !is_held.is_empty() {
            parts.push(format!("({}) and {} <> 1", is_held.join(" or "), self.rows_with_key()));
        }
        if parts.is_empty() {
            return "false".into();
        }
        format!("coalesce({}, false)", parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(" or "))
    }

    /// How many rows have the row's key as it is published.
    fn rows_with_key(&self) -> String {
        let published = |row: &str, name: &String| match self.cast_of(name) {
            Some(cast) => format!("try_cast({row}.{} as {})", quote(name), cast.to),
            None => format!("{row}.{}", quote(name)),
        };
        let same = self
            .table
            .key
            .iter()
            .map(|name| format!("{} is not distinct from {}", published("k", name), published("r", name)));
        format!("(select count(*) from ({}) as k where {})", self.all, same.collect::<Vec<_>>().join(" and "))
    }

    /// Whether a row has an entry.
    fn kept(&self) -> String {
        let replaced = self.any(|cast| self.table.columns[cast.column].on_hazard == OnHazard::Replace);
        format!("({} or {replaced})", self.aside())
    }

    /// Whether a row has a hazard in one of these columns.
    fn any(&self, of: impl Fn(&SqlCast) -> bool) -> String {
        let odd: Vec<_> = self.casts.iter().filter(|cast| of(cast)).map(SqlCast::is_odd).collect();
        if odd.is_empty() { "false".into() } else { format!("({})", odd.join(" or ")) }
    }

    fn cast_of(&self, name: &str) -> Option<&SqlCast> {
        self.casts.iter().find(|cast| self.table.columns[cast.column].name == name)
    }

    fn is_key(&self, cast: &SqlCast) -> bool {
        self.table.key.contains(&self.table.columns[cast.column].name)
    }
}

impl SqlCast {
    /// The number of a value's hazard, else NULL.
    fn hazard(&self) -> String {
        let Self { value, to, .. } = self;
        let lost = self.loses().map(|(hazard, loses)| format!(" when {loses} then {}", hazard.number()));
        format!(
            "case when {value} is null then null when try_cast({value} as {to}) is null then {}{} end",
            CastHazard::Conversion.number(),
            lost.unwrap_or_default()
        )
    }

    fn is_odd(&self) -> String {
        format!("{} is not null", self.hazard())
    }

    /// What a value that converts may lose, and whether it does; None: nothing.
    fn loses(&self) -> Option<(CastHazard, String)> {
        let Self { value, from, to, .. } = self;
        let cast = format!("try_cast({value} as {to})");
        let back = format!("try_cast({cast} as {from}) is distinct from {value}");
        match (CastKind::of(from)?, CastKind::of(to)?) {
            (CastKind::Text | CastKind::Float, CastKind::Exact) => {
                let lost = format!("{cast}::double is distinct from try_cast({value} as double)");
                Some((CastHazard::Digits, lost))
            }
            (CastKind::Exact, CastKind::Exact | CastKind::Float) => Some((CastHazard::Digits, back)),
            (CastKind::Time, CastKind::Time) => Some((CastHazard::Time, back)),
            (CastKind::Float, CastKind::Float) => {
                Some((CastHazard::Digits, format!("{cast}::varchar is distinct from {value}::varchar")))
            }
            // A part that does not convert is NULL.
            (CastKind::Nested, CastKind::Nested) => Some((CastHazard::Parts, back)),
            _ => None,
        }
    }
}

/// Types by what a cast between them may lose.
enum CastKind {
    Text,
    /// Integers and decimals.
    Exact,
    Float,
    /// Dates and timestamps.
    Time,
    Nested,
}

impl CastKind {
    fn of(sql_type: &str) -> Option<Self> {
        Some(match sql_type {
            "VARCHAR" => Self::Text,
            "FLOAT" | "DOUBLE" => Self::Float,
            "DATE" => Self::Time,
            "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "HUGEINT" | "UTINYINT" | "USMALLINT" | "UINTEGER"
            | "UBIGINT" | "UHUGEINT" => Self::Exact,
            other if other.starts_with("DECIMAL(") && other.ends_with(')') => Self::Exact,
            other if other.starts_with("TIMESTAMP") && !other.contains(['(', '[']) => Self::Time,
            other if DuckType::parse(other).is_nested() => Self::Nested,
            _ => return None,
        })
    }
}
