"""The wiki's truth as JSON, under /api/v1/. One resource is one file; nobody imports this package but the URLs."""
