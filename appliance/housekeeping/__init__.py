"""SERVICE: keeps the appliance able to go on for years: room on the disk, backups, self checks."""
