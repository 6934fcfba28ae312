"""The terms of leases, which workers and sweepers must agree on."""

from service.database.leases import LeaseTerms
from service.settings import Settings


def lease_terms(settings: Settings) -> LeaseTerms:
    """How long and how often workers may hold a job; the same on all machines."""
    return LeaseTerms(
        lease_s=settings.lease_s,
        stall_s=5 * settings.lease_s,
        attempts=settings.max_attempts,
        resend_s=5 * settings.lease_s,
    )
