mod driver;
mod records;
