"""The REST API: FastAPI routes over the service's rules; the only place that knows HTTP."""
