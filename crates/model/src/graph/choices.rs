//! Configuration values with a fixed list of words.
//!
//! Values with their words. `config` knows which key accepts which of them.

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$item])* $variant,)+ }

        impl $name {
            /// The word that configuration uses.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub(crate) const CHOICES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
        }
    };
}

choices! {
    /// The form of a node in the warehouse.
    Materialized {
        View = "view",
        Table = "table",
        Incremental = "incremental",
        Ephemeral = "ephemeral",
        /// Snapshots only.
        Snapshot = "snapshot",
        /// Seeds only.
        Seed = "seed",
        /// Sources only: a raw table.
        Raw = "raw",
        /// Data tests only.
        Test = "test",
        /// Rendered only: analyses, and nodes that are only described.
        Nothing = "none",
    }
}

choices! {
    /// How new rows are written into an incremental model.
    Strategy {
        Append = "append",
        DeleteInsert = "delete+insert",
        Merge = "merge",
        /// Replaces ranges of time, each in its own transaction.
        Microbatch = "microbatch",
    }
}

choices! {
    /// How a snapshot finds changed rows.
    SnapshotStrategy {
        Timestamp = "timestamp",
        Check = "check",
    }
}

choices! {
    /// How a snapshot handles rows that its query no longer returns.
    HardDeletes {
        Ignore = "ignore",
        Invalidate = "invalidate",
        NewRecord = "new_record",
    }
}

choices! {
    /// How an incremental model handles differences between the columns of its query and of its table.
    OnSchemaChange {
        /// Keeps the table's columns.
        Ignore = "ignore",
        AppendNewColumns = "append_new_columns",
        SyncAllColumns = "sync_all_columns",
        Fail = "fail",
    }
}

choices! {
    /// How rows are handled whose origin no longer exists.
    Deletes {
        Keep = "keep",
        /// They are deleted.
        Sweep = "sweep",
        /// Sources only: they are kept, with the time in `_elt_deleted_at`.
        Mark = "mark",
    }
}

choices! {
    /// How a value that does not fit its column is handled.
    OnMismatch {
        Rescue = "rescue",
        Fail = "fail",
    }
}

choices! {
    /// How a document that cannot be decoded is handled.
    OnMalformed {
        Quarantine = "quarantine",
        Fail = "fail",
    }
}

choices! {
    /// How a file that ends too early is handled.
    OnTruncated {
        Fail = "fail",
        Quarantine = "quarantine",
    }
}

choices! {
    /// How a load is handled whose row counts differ from the source's own count.
    Verify {
        Warn = "warn",
        Strict = "strict",
    }
}

choices! {
    /// The replacement of a masked value.
    MaskWith {
        Hash = "hash",
        Null = "null",
    }
}

choices! {
    /// How a collection is read.
    LoadKind {
        Full = "full",
        Incremental = "incremental",
    }
}

choices! {
    /// The effect of a failing data test.
    Severity {
        Error = "error",
        Warn = "warn",
    }
}

choices! {
    /// The encoding of a source's text file.
    TextEncoding {
        Utf8 = "utf-8",
        /// Little endian, unless a byte order mark says otherwise.
        Utf16 = "utf-16",
        Utf16Le = "utf-16le",
        Utf16Be = "utf-16be",
        Latin1 = "latin-1",
        Windows1252 = "windows-1252",
    }
}
