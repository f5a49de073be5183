//! Configuration values that are one of a few words.
//!
//! Values with their words; which key takes which of them is in `config`.

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$item])* $variant,)+ }

        impl $name {
            /// The word as configuration writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub(crate) const CHOICES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
        }
    };
}

choices! {
    /// What a node becomes in the warehouse.
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
        /// Rendered only: analyses, and what is described alone.
        Nothing = "none",
    }
}

choices! {
    /// How new rows enter an incremental model.
    Strategy {
        Append = "append",
        DeleteInsert = "delete+insert",
        Merge = "merge",
        /// Replaces ranges of time, each in a transaction of its own.
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
    /// What a snapshot does with rows that are gone from its query.
    HardDeletes {
        Ignore = "ignore",
        Invalidate = "invalidate",
        NewRecord = "new_record",
    }
}

choices! {
    /// What an incremental model does when its query's columns differ from its table's.
    OnSchemaChange {
        /// The table's columns win.
        Ignore = "ignore",
        AppendNewColumns = "append_new_columns",
        SyncAllColumns = "sync_all_columns",
        Fail = "fail",
    }
}

choices! {
    /// What happens to rows whose origin is gone.
    Deletes {
        Keep = "keep",
        /// They go.
        Sweep = "sweep",
        /// Sources only: they stay, with the time in `_elt_deleted_at`.
        Mark = "mark",
    }
}

choices! {
    /// What happens to a value that does not fit its column.
    OnMismatch {
        Rescue = "rescue",
        Fail = "fail",
    }
}

choices! {
    /// What happens to a document that cannot be decoded.
    OnMalformed {
        Quarantine = "quarantine",
        Fail = "fail",
    }
}

choices! {
    /// What happens when a load's numbers differ from the source's own count.
    Verify {
        Warn = "warn",
        Strict = "strict",
    }
}

choices! {
    /// What stands in the place of a masked value.
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
    /// What a failing data test does.
    Severity {
        Error = "error",
        Warn = "warn",
    }
}
