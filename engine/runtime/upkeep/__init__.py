"""What keeps a data folder well: health, measures, retention, backups."""
