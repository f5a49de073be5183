//! A staging table and the columns of it that rows are loaded into, with the statements that load them.
//!
//! A value. Knows no connection and no rows.

/// The table and the columns that rows are loaded into.
pub struct LoadTarget {
    pub place: String,
    /// As SQL lists them.
    pub columns: String,
    /// How many they are.
    pub width: usize,
    /// The table is created in the same transaction, so that its rows can be frozen.
    pub freeze: bool,
}

impl LoadTarget {
    /// Loads many rows, in the binary format.
    pub fn copy(&self) -> String {
        let freeze = if self.freeze { ", freeze" } else { "" };
        format!("copy {} ({}) from stdin (format binary{freeze})", self.place, self.columns)
    }

    /// Loads a few rows, whose values are parameters.
    pub fn insert(&self, rows: usize) -> String {
        let mut sql = format!("insert into {} ({}) values ", self.place, self.columns);
        let mut number = 0;
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.width {
                number += 1;
                sql.push_str(if column == 0 { "$" } else { ", $" });
                sql.push_str(&number.to_string());
            }
            sql.push(')');
        }
        sql
    }
}
