"""HTTP, one file a table. A new file here with a `router` is served."""
