"""Find the commit, version or setting that changed what is generated."""
