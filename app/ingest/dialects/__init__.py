"""One module for each dialect, with its DIALECT: putting a file here adds one (docs/dialects.md)."""
