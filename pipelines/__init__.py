"""When it runs: the only importer of Dagster, of the network and of database files."""
