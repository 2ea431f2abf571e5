"""Files at local paths and in object stores."""
