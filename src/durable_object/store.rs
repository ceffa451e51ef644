//! The object's SQLite storage: one row of JSON.

use std::cell::RefCell;

use worker::{SqlStorage, SqlStorageValue};

use crate::driver::{Record, Stored};
use crate::error::Level;
use crate::platform::log::log;

/// The storage of one object. Writes are on disk before anything that follows them leaves the
/// object: the platform's output gate holds back responses and outgoing requests until then.
pub(super) struct Store {
    sql: SqlStorage,
    /// The text of the row, which spares a write that would change nothing.
    saved: RefCell<String>,
}

impl Store {
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql, saved: RefCell::default() }
    }

    /// Reads the record. One of another version is reported in the log.
    ///
    /// # Errors
    /// The storage's own: nothing is known of what it holds.
    pub fn load(&self) -> Result<Stored, String> {
        let text = |error: worker::Error| format!("the record cannot be loaded: {error}");
        let table =
            "CREATE TABLE IF NOT EXISTS vm (id INTEGER PRIMARY KEY CHECK (id = 1), record TEXT NOT NULL)";
        self.sql.exec(table, None).map_err(text)?;
        let rows = self.sql.exec("SELECT record FROM vm", None).map_err(text)?;
        let row = rows.raw().next().transpose().map_err(text)?;
        let record = match row.as_deref() {
            None => return Ok(Stored::Nothing),
            Some([SqlStorageValue::String(record)]) => {
                Record::from_json(record).inspect(|_| self.saved.borrow_mut().clone_from(record))
            }
            Some(other) => Err(format!("the row is {other:?}")),
        };
        Ok(match record {
            Ok(record) => Stored::Record(Box::new(record)),
            Err(error) => {
                log(
                    Level::Error,
                    &format_args!("the stored record cannot be read, starting afresh: {error}"),
                );
                Stored::Unreadable
            }
        })
    }

    /// Writes the record, if it has changed.
    ///
    /// # Errors
    /// The storage's own.
    pub fn save(&self, record: &Record) -> Result<(), String> {
        let text = record.to_json()?;
        if text == *self.saved.borrow() {
            return Ok(());
        }
        let upsert = "INSERT INTO vm (id, record) VALUES (1, ?) \
                      ON CONFLICT (id) DO UPDATE SET record = excluded.record";
        let bindings = vec![SqlStorageValue::from(text.as_str())];
        let write = self.sql.exec(upsert, bindings);
        write
            .map_err(|error| format!("{}: the record cannot be stored: {error}", record.vm.instance.name))?;
        *self.saved.borrow_mut() = text;
        Ok(())
    }
}
