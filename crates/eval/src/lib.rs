//! Tasks, metrics and receipts.
