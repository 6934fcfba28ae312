"""People, videos, jobs and results: the HTTP API, its rules and its database. Not built yet."""
