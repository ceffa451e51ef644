//! What the object keeps in its SQLite storage: one row of JSON.

use serde::{Deserialize, Serialize};
use worker::{SqlStorage, SqlStorageValue};

use super::vm_json;
use crate::lifecycle::{Lifecycle, Policy};
use crate::vm::Vm;

/// What is known of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(with = "vm_json")]
    pub vm: Vm,
    pub lifecycle: Lifecycle,
}

/// The storage of one object. Writes are on disk before anything that follows them leaves the object: the
/// platform's output gate holds back answers and outgoing requests until then.
pub(super) struct Store {
    sql: SqlStorage,
    /// What the row holds, to leave out writes that would change nothing.
    saved: String,
}

impl Store {
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql, saved: String::new() }
    }

    /// Reads the record, if there is one.
    ///
    /// # Errors
    /// The storage's own, or that the row is not a record of this version.
    pub fn load(&mut self) -> Result<Option<Record>, String> {
        let text = |error: worker::Error| error.to_string();
        let table =
            "CREATE TABLE IF NOT EXISTS vm (id INTEGER PRIMARY KEY CHECK (id = 1), record TEXT NOT NULL)";
        self.sql.exec(table, None).map_err(text)?;
        let rows = self.sql.exec("SELECT record FROM vm", None).map_err(text)?;
        let row = rows.raw().next().transpose().map_err(text)?;
        let record = match row.as_deref() {
            None => return Ok(None),
            Some([SqlStorageValue::String(record)]) => record.clone(),
            Some(other) => return Err(format!("the row is {other:?}")),
        };
        let Record { vm, lifecycle } = crate::json::from_str(&record).map_err(|error| error.to_string())?;
        self.saved = record;
        let lifecycle = lifecycle.restored(Policy::of(&vm));
        Ok(Some(Record { vm, lifecycle }))
    }

    /// Writes the record, if it has changed.
    ///
    /// # Errors
    /// The storage's own.
    pub fn save(&mut self, record: &Record) -> Result<(), String> {
        let text = serde_json::to_string(record).map_err(|error| error.to_string())?;
        if text == self.saved {
            return Ok(());
        }
        let upsert = "INSERT INTO vm (id, record) VALUES (1, ?) \
                      ON CONFLICT (id) DO UPDATE SET record = excluded.record";
        let bindings = vec![SqlStorageValue::from(text.as_str())];
        self.sql.exec(upsert, bindings).map_err(|error| error.to_string())?;
        self.saved = text;
        Ok(())
    }
}
