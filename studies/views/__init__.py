"""From plain data to what people look at: text, tables, notes, figures; no storage, no training."""
