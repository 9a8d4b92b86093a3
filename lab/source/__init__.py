"""The source data centre: four real Debian 11 hosts under systemd-nspawn; it knows nothing of the migration."""
